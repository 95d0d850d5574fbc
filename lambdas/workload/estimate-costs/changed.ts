import type { CostEstimate } from "../../../core/workload/types.ts";
import type { StoredCost } from "../../../platform/tables/costs.ts";

/** Differences in percent of a tick below which nobody would act otherwise, and in a duration, relative. */
const indifferent = 0.01;
const durationShare = 0.02;

/**
 * Whether a cost is worth writing: a mean moved by more than a tenth of its standard deviation, a standard deviation by
 * more than a tenth of itself, its duration by a fiftieth, or the query was seen half as often again. Compared with what is stored, so that small
 * moves cannot add up unseen.
 */
export function changed(stored: StoredCost | undefined, estimate: CostEstimate): boolean {
  if (stored === undefined) return true;
  const [before, after] = [stored.durationMs ?? 0, estimate.durationMs ?? 0];
  if (Math.abs(after - before) > durationShare * before) return true;
  if (estimate.seen >= 1.5 * stored.seen && estimate.seen > stored.seen) return true;
  return estimate.mean.some((mean, resource) => {
    const sd = estimate.sd[resource] ?? 0;
    const storedSd = stored.sd[resource] ?? 0;
    return (
      Math.abs(mean - (stored.mean[resource] ?? 0)) > Math.max(0.1 * sd, indifferent) ||
      Math.abs(sd - storedSd) > Math.max(0.1 * storedSd, indifferent)
    );
  });
}
