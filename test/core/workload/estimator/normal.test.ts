import { describe, expect, it } from "@jest/globals";
import { cumulative, Mixture, type Moments, truncate } from "../../../../core/workload/estimator/normal.ts";

/** The same moments by summing the density over a fine grid. */
function integrate(mean: number, sd: number, low: number, high: number): Moments {
  const from = Math.max(low, mean - 12 * sd);
  const to = Math.min(high, mean + 12 * sd);
  const steps = 200_000;
  let mass = 0;
  let first = 0;
  let second = 0;
  for (let i = 0; i < steps; i++) {
    const x = from + ((i + 0.5) * (to - from)) / steps;
    const weight = (Math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI))) * ((to - from) / steps);
    mass += weight;
    first += weight * x;
    second += weight * x * x;
  }
  return { mass, mean: first / mass, variance: second / mass - (first / mass) ** 2 };
}

describe("truncate", () => {
  it.each([
    [0, 1, -1, 1],
    [10, 3, 0, 5],
    [5, 2, 14, 15],
    [50, 20, 0, Number.POSITIVE_INFINITY],
    [-3, 1, 0, Number.POSITIVE_INFINITY],
  ])("gives the moments of N(%d, %d^2) cut to [%d, %d]", (mean, sd, low, high) => {
    const out = { mass: 0, mean: 0, variance: 0 };
    truncate(mean, sd, low, high, out);
    const expected = integrate(mean, sd, low, high);
    expect(out.mass / expected.mass).toBeCloseTo(1, 4);
    expect(out.mean).toBeCloseTo(expected.mean, 3);
    expect(out.variance / expected.variance).toBeCloseTo(1, 1);
    // The planted fault: the law that is not cut has other moments.
    expect(Math.abs(mean - expected.mean) + Math.abs(sd * sd - expected.variance)).toBeGreaterThan(0.1);
  });

  it("sits inside the bounds however far away they are", () => {
    const out = { mass: 0, mean: 0, variance: 0 };
    truncate(0, 1, 1000, 1010, out);
    expect(out.mean).toBeGreaterThanOrEqual(1000);
    expect(out.mean).toBeLessThan(1001);
    expect(out.mass).toBeGreaterThan(0);
    truncate(0, 1, -1010, -1000, out);
    expect(out.mean).toBeLessThanOrEqual(-1000);
  });
});

describe("cumulative", () => {
  // Abramowitz and Stegun, table 26.1.
  it.each([
    [0, 0.5],
    [1, 0.841344746],
    [-1, 0.158655254],
    [3, 0.998650102],
  ])("of %d is %d", (x, p) => {
    expect(cumulative(x)).toBeCloseTo(p, 6);
  });
});

describe("Mixture", () => {
  it("has the moments of its parts together", () => {
    const mixture = new Mixture();
    mixture.reset(5);
    mixture.add(1, 2, 1);
    mixture.add(3, 6, 2);
    const out = { mass: 0, mean: 0, variance: 0 };
    mixture.into(out);
    // Mean (2 + 18) / 4; variance (1 + 9 + 3 (2 + 1)) / 4 around it.
    expect(out).toEqual({ mass: 4, mean: 5, variance: 4.75 });
  });
});
