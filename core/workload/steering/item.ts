import type { Triple, Waiting } from "../types.ts";

/** An execution that waits on the server, with what the planner believes of it. */
export interface Item {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  /** The first tick that its default delay allows. */
  readonly earliest: number;
  /** The last tick that its query's deadline allows. */
  latest: number;
  /** Where the server has it now. */
  tick: number;
  cost: Triple;
}

export function itemOf(waiting: Waiting, defaultDelayTicks: number, longestTicks: number, cost: Triple): Item {
  const { id, queryId, arrivedTick, tick } = waiting;
  const earliest = arrivedTick + Math.max(1, defaultDelayTicks);
  return { id, queryId, arrivedTick, earliest, latest: Math.max(earliest, arrivedTick + longestTicks), tick, cost };
}

export function sumOf(items: readonly Item[]): [number, number, number] {
  const sum: [number, number, number] = [0, 0, 0];
  for (const { cost } of items) {
    sum[0] += cost[0];
    sum[1] += cost[1];
    sum[2] += cost[2];
  }
  return sum;
}
