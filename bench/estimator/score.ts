/** Estimates against the engine's truth. */
import type { CostEstimate } from "../../core/workload/types.ts";

export interface Score {
  /** Mean over executions and resources of |estimate - truth| / truth. */
  readonly costError: number;
  /** Share of executions whose query's three costs round to the truth. */
  readonly exactShare: number;
  /** The cost error over queries seen at least 20 times. */
  readonly wellSeenError: number;
  /**
   * Of costs not known to the integer (sd > 0.3), the share whose 90% interval holds the truth; null when there are none.
   * A cost known to lie among a few integers has all of them in its interval, so that this exceeds 0.9 by itself.
   */
  readonly coverage: number | null;
  /**
   * The same with the truth spread over its integer's cell, as is usual for counts (Czado, Gneiting, Held, Biometrics 65,
   * 2009): how much of the cell the interval holds, the interval being that of the cost spread likewise. Of unsure costs,
   * and of all. Costs that are not integers are not spread.
   */
  readonly cellCoverage: number | null;
  readonly cellCoverageOfAll: number;
  /** Root mean square of the unsure costs' errors in their sd: 1 if sd are right. */
  readonly errorInSd: number | null;
  readonly unsure: number;
  /** Of costs given as known to the integer, how many are not the truth. */
  readonly sure: number;
  readonly sureWrong: number;
  /** Costs, of those seen, off by more than 5 of their sd (integers': with the variance of rounding). */
  readonly farOff: number;
}

/** How much of the unit around `value` lies within `half` of `mean`. */
function heldOfCell(value: number, mean: number, half: number): number {
  return Math.max(0, Math.min(value + 0.5, mean + half) - Math.max(value - 0.5, mean - half));
}

/** Half width of a normal law's central 90%, in sd, and what is far off. */
const ninety = 1.645;
const far = 5;

/** A query that costs nothing counts its error against 1; one without estimate counts as wrong by its whole cost. */
export function score(
  engine: { truth(): ReadonlyMap<string, readonly number[]> },
  executions: ReadonlyMap<string, number>,
  estimates: { readonly costs: ReadonlyMap<string, CostEstimate>; readonly quality: Readonly<Record<string, number>> },
): Score {
  const truth = engine.truth();
  let all = 0;
  let error = 0;
  let exact = 0;
  let often = 0;
  let oftenError = 0;
  let unsure = 0;
  let covered = 0;
  let cells = 0;
  let cellsOfAll = 0;
  let costs = 0;
  let squares = 0;
  let sure = 0;
  let sureWrong = 0;
  let farOff = 0;
  for (const [queryId, times] of executions) {
    const cost = truth.get(queryId);
    if (!cost) continue;
    const estimate = estimates.costs.get(queryId);
    let own = 0;
    let right = true;
    cost.forEach((value, r) => {
      const mean = estimate?.mean[r] ?? 0;
      const sd = estimate?.sd[r] ?? Number.POSITIVE_INFINITY;
      own += Math.abs(mean - value) / Math.max(value, 1) / 3;
      if (Math.round(mean) !== value) right = false;
      const rounded = Math.sqrt(sd * sd + (estimates.quality.integer ? 1 / 12 : 0));
      if (Math.abs(mean - value) > far * rounded) farOff++;
      const spread = Number.isInteger(value)
        ? heldOfCell(value, mean, ninety * rounded)
        : Number(Math.abs(mean - value) <= ninety * sd);
      costs++;
      cellsOfAll += spread;
      if (sd > 0.3) {
        unsure++;
        cells += spread;
        squares += ((mean - value) / sd) ** 2;
        if (Math.abs(mean - value) <= ninety * sd) covered++;
      } else {
        sure++;
        if (Math.round(mean) !== value) sureWrong++;
      }
    });
    all += times;
    error += times * own;
    if (right) exact += times;
    if (times >= 20) {
      often += times;
      oftenError += times * own;
    }
  }
  return {
    costError: error / Math.max(all, 1),
    exactShare: exact / Math.max(all, 1),
    wellSeenError: oftenError / Math.max(often, 1),
    coverage: unsure > 0 ? covered / unsure : null,
    cellCoverage: unsure > 0 ? cells / unsure : null,
    cellCoverageOfAll: cellsOfAll / Math.max(costs, 1),
    errorInSd: unsure > 0 ? Math.sqrt(squares / unsure) : null,
    unsure,
    sure,
    sureWrong,
    farOff,
  };
}
