import type { Item } from "../../../../core/workload/steering/item.ts";
import type { Triple } from "../../../../core/workload/types.ts";

/** Items of the given costs, the first one arrived first. */
export function itemsOf(costs: readonly Triple[]): Item[] {
  return costs.map((cost, at) => ({
    id: `e${at}`,
    queryId: `q${at}`,
    arrivedTick: at,
    earliest: at + 1,
    latest: 1_000_000,
    tick: at + 1,
    cost,
  }));
}
