import type { Triple, Waiting } from "../types.ts";

/** An execution that waits on the server, with what the planner believes of it. */
export interface Item {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  /** The first tick that its default delay allows. */
  readonly earliest: number;
  /** It must not run later than this. */
  readonly latest: number;
  /** Where the server has it now. */
  tick: number;
  cost: Triple;
}

export function itemOf(waiting: Waiting, defaultDelayTicks: number, longestTicks: number, cost: Triple): Item {
  const earliest = waiting.arrivedTick + Math.max(1, defaultDelayTicks);
  const latest = Math.max(earliest, waiting.arrivedTick + longestTicks);
  return { ...waiting, earliest, latest, cost };
}
