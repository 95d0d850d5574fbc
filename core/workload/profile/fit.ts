/** Learns the costs of one resource from rows: a robust weighted least squares fit over non-negative costs. */
import type { Row } from "./rows.ts";
import { invert, solveNonNegative } from "./solve.ts";

export interface Fit {
  readonly mean: Float64Array;
  readonly sd: Float64Array;
  /** Of the last block, a tick. */
  readonly background: number;
}

/** What is known of a cost before the rows: a Gaussian. */
export interface Prior {
  readonly mean: number;
  readonly precision: number;
}

/** An execution's own scatter, relative, by which a row of much is known less well than one of little. */
const scatter = 0.2;
/** Residuals beyond so many sd count linearly (P. J. Huber, Robust Estimation of a Location Parameter, 1964). */
const huber = 2;
const rounds = 4;
/** Rows so old count half. */
const halfLifeMs = 10 * 60_000;
/** How far the background moves from block to block, as a share of the mean row. */
const drift = 0.1;
/** Rows that belong together as one execution spans them: errors within are not independent. */
const cluster = 20;

export function fitCosts(rows: readonly Row[], priors: readonly Prior[]): Fit {
  const queries = priors.length;
  const blocks = (rows.at(-1)?.block ?? 0) + 1;
  const n = queries + blocks;
  const latest = rows.at(-1)?.endedAt ?? 0;
  const x = new Float64Array(n);
  priors.forEach(({ mean }, q) => {
    x[q] = mean;
  });
  const meanUsed = rows.reduce((sum, { used }) => sum + used, 0) / Math.max(1, rows.length);
  const driftPrecision = 1 / Math.max(1e-9, (drift * meanUsed) ** 2);
  const predicted = (row: Row) =>
    row.parts.reduce((sum, [query, share]) => sum + share * (x[query] ?? 0), x[queries + row.block] ?? 0);
  const weights = new Float64Array(rows.length);
  let a = new Float64Array(n * n);
  for (let round = 0; round < rounds; round++) {
    const residuals = rows.map((row) => row.used - predicted(row));
    const floor = Math.max(
      1e-6 + 0.01 * meanUsed,
      round === 0 ? 0.2 * meanUsed : 1.48 * median(residuals.map(Math.abs)),
    );
    a = new Float64Array(n * n);
    const b = new Float64Array(n);
    rows.forEach((row, at) => {
      const own = row.parts.reduce((sum, [query, share]) => sum + (scatter * share * (x[query] ?? 0)) ** 2, 0);
      const sigma = Math.sqrt(floor ** 2 + own);
      const off = Math.abs(residuals[at] ?? 0) / sigma;
      const robust = round > 0 && off > huber ? huber / off : 1;
      const weight = (robust * 0.5 ** ((latest - row.endedAt) / halfLifeMs)) / sigma ** 2;
      weights[at] = weight;
      addRow(a, b, n, [...row.parts, [queries + row.block, 1]], row.used, weight);
    });
    priors.forEach(({ mean, precision }, q) => {
      a[q * n + q] = (a[q * n + q] ?? 0) + precision;
      b[q] = (b[q] ?? 0) + precision * mean;
    });
    for (let block = 0; block + 1 < blocks; block++)
      addRow(
        a,
        b,
        n,
        [
          [queries + block, 1],
          [queries + block + 1, -1],
        ],
        0,
        driftPrecision,
      );
    for (let i = 0; i < n; i++) a[i * n + i] = (a[i * n + i] ?? 0) + 1e-9;
    solveNonNegative(a, b, x);
  }
  const variance = sandwich(rows, weights, a, n, queries, predicted, priors);
  return {
    mean: x.slice(0, queries),
    sd: variance.map(Math.sqrt),
    background: x[n - 1] ?? 0,
  };
}

function addRow(
  a: Float64Array,
  b: Float64Array,
  n: number,
  parts: readonly (readonly [number, number])[],
  value: number,
  weight: number,
): void {
  for (const [i, left] of parts) {
    b[i] = (b[i] ?? 0) + weight * left * value;
    for (const [j, right] of parts) a[i * n + j] = (a[i * n + j] ?? 0) + weight * left * right;
  }
}

/**
 * Variances of the costs by the cluster-robust sandwich (K.-Y. Liang, S. L. Zeger, Longitudinal Data Analysis Using
 * Generalized Linear Models, 1986), since the residuals of neighbouring ticks depend on each other.
 */
function sandwich(
  rows: readonly Row[],
  weights: Float64Array,
  a: Float64Array,
  n: number,
  queries: number,
  predicted: (row: Row) => number,
  priors: readonly Prior[],
): Float64Array {
  const inverse = invert(a, n);
  const variance = new Float64Array(queries);
  const spread = (gradient: Float64Array, q: number) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += (inverse[q * n + j] ?? 0) * (gradient[j] ?? 0);
    return sum;
  };
  for (let first = 0; first < rows.length; first += cluster) {
    const gradient = new Float64Array(n);
    for (let at = first; at < Math.min(rows.length, first + cluster); at++) {
      const row = rows[at];
      if (!row) continue;
      const pull = (weights[at] ?? 0) * (row.used - predicted(row));
      for (const [query, share] of row.parts) gradient[query] = (gradient[query] ?? 0) + pull * share;
      gradient[queries + row.block] = (gradient[queries + row.block] ?? 0) + pull;
    }
    for (let q = 0; q < queries; q++) variance[q] = (variance[q] ?? 0) + spread(gradient, q) ** 2;
  }
  for (let q = 0; q < queries; q++)
    for (let j = 0; j < queries; j++)
      variance[q] = (variance[q] ?? 0) + (inverse[q * n + j] ?? 0) ** 2 * (priors[j]?.precision ?? 0);
  return variance;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
