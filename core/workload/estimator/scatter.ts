/** What windows' scatter alone tells of what executions cost, before anything is known of any query. */
import type { Equations } from "./equations.ts";

/**
 * Mean and variance of an execution's cost in resource r by the method of moments: a window's sum lies around
 * executions * mean with variance (sum of squared counts) * variance.
 */
export function executionMoments(
  { spans, totals, executions }: Equations,
  candidate: Int32Array,
  r: number,
): { mean: number; variance: number } {
  let all = 0;
  let usage = 0;
  let squares = 0;
  const sums: { sum: number; count: number }[] = [];
  spans.forEach(({ bands, from, to }, w) => {
    const average = bands[3 * r] ?? Number.NaN;
    if (Number.isNaN(average)) return;
    const c = candidate[w] ?? 0;
    const sum = (average + 0.45) * (to - from);
    const count = executions[c] ?? 0;
    sums.push({ sum, count });
    all += count;
    usage += sum;
    for (let k = totals.start[c] ?? 0; k < (totals.start[c + 1] ?? 0); k++) squares += (totals.count[k] ?? 0) ** 2;
  });
  const mean = usage / Math.max(all, 1);
  const squared = sums.reduce((total, { sum, count }) => total + (sum - count * mean) ** 2, 0);
  return { mean, variance: Math.max(squared / Math.max(squares, 1), (0.2 * mean) ** 2) + 1 };
}
