import { describe, expect, it } from "@jest/globals";
import { inverse, Matrix } from "ml-matrix";
import { Belief, noFactors, type RowFactors } from "../../../../core/workload/estimator/belief.ts";
import { buildEquations, type Rows } from "../../../../core/workload/estimator/equations.ts";

const sums: readonly (readonly number[])[] = [[0, 1, 1], [1, 2], [3], [3, 4, 5]];

function rowsOf(columns: readonly (readonly number[])[]): Rows {
  return buildEquations(
    columns.map((row) => Int32Array.from(row)),
    [],
  ).ticks;
}

function believe() {
  const columns = noFactors(6);
  columns.precision.fill(0.01);
  columns.shift.fill(0.4);
  const factors: RowFactors = { rows: rowsOf(sums), ...noFactors(sums.length) };
  factors.precision.set([0.5, 2, 1, 0.1]);
  factors.shift.set([60, 150, 42, 12]);
  const belief = new Belief(6);
  belief.update(columns, []);
  for (let round = 0; round < 20; round++) {
    factors.precision.forEach((_, f) => {
      const cavity = { mean: 0, variance: 0 };
      belief.without(factors, f, f, cavity);
      belief.update(columns, [factors]);
    });
  }
  return { belief, factors, columns };
}

/** The same belief by inverting the precision matrix. */
function solve(without?: number) {
  const precision = Matrix.eye(6, 6).mul(0.01);
  const shift = Matrix.columnVector(Array.from({ length: 6 }, () => 0.4));
  const { factors } = believe();
  sums.forEach((row, f) => {
    if (f === without) return;
    const a = Matrix.zeros(6, 1);
    for (const q of row) a.set(q, 0, a.get(q, 0) + 1);
    precision.add(a.mmul(a.transpose()).mul(factors.precision[f] ?? 0));
    shift.add(Matrix.mul(a, factors.shift[f] ?? 0));
  });
  const covariance = inverse(precision);
  return { mean: covariance.mmul(shift), covariance };
}

describe("Belief", () => {
  it("has the mean and, where rows form no loops, the variances of the full solution", () => {
    const { belief } = believe();
    const { mean, covariance } = solve();
    for (let q = 0; q < 6; q++) {
      expect(belief.mean[q]).toBeCloseTo(mean.get(q, 0), 1);
      expect((belief.variance[q] ?? 0) / covariance.get(q, q)).toBeCloseTo(1, 2);
    }
  });

  it("tells what it would believe without a factor", () => {
    const { belief, factors } = believe();
    const without = { mean: 0, variance: 0 };
    belief.without(factors, 1, 1, without);
    const { mean, covariance } = solve(1);
    expect(without.mean).toBeCloseTo(mean.get(1, 0) + mean.get(2, 0), 0);
    const variance = covariance.get(1, 1) + covariance.get(2, 2) + 2 * covariance.get(1, 2);
    expect(without.variance / variance).toBeCloseTo(1, 2);
    // The planted fault: with the factor, the sum is far surer.
    expect(variance).toBeGreaterThan(10 * (1 / (factors.precision[1] ?? 1)));
  });

  it("tells what it would believe of a sum's other columns without its factor", () => {
    const { belief, factors } = believe();
    const rest = { mean: 0, variance: 0 };
    expect(belief.rest(factors, 3, 5, rest)).toBe(1);
    const { mean, covariance } = solve(3);
    expect(rest.mean).toBeCloseTo(mean.get(3, 0) + mean.get(4, 0), 0);
    const variance = covariance.get(3, 3) + covariance.get(4, 4);
    expect(rest.variance / variance).toBeCloseTo(1, 2);
    // The planted fault: the factor left in moves the mean.
    const { mean: withFactor } = solve();
    expect(Math.abs(withFactor.get(3, 0) + withFactor.get(4, 0) - rest.mean)).toBeGreaterThan(0.7);
  });
});
