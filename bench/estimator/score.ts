/** Estimates against the engine's truth. */
import type { CostEstimate } from "../../core/workload/types.ts";
import type { Engine } from "../../sim-server/database/engine.ts";

export interface Score {
  /** Mean over executions and resources of |estimate - truth| / truth. */
  readonly costError: number;
  /** Share of executions whose query's three costs round to the truth. */
  readonly exactShare: number;
  /** The cost error over queries seen at least 20 times. */
  readonly wellSeenError: number;
  /** Of costs not known to the integer (sd > 0.3), the share whose 90% interval holds the truth; null when there are none. */
  readonly coverage: number | null;
  readonly unsure: number;
  /** Of costs given as known to the integer, how many are not the truth. */
  readonly sure: number;
  readonly sureWrong: number;
}

/** Half width of a normal law's central 90%, in sd. */
const ninety = 1.645;

/** A query that costs nothing counts its error against 1; one without estimate counts as wrong by its whole cost. */
export function score(
  engine: Engine,
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
  let sure = 0;
  let sureWrong = 0;
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
      if (sd > 0.3) {
        unsure++;
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
    unsure,
    sure,
    sureWrong,
  };
}
