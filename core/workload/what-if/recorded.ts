import type { Band, Resource } from "../types.ts";
import { type Measures, Tally } from "./tally.ts";

/** A metrics window as recorded, with the query ids that ran in each of its ticks. */
export interface RecordedWindow {
  readonly ticks: readonly (readonly string[])[];
  readonly metrics: Readonly<Record<Resource, Band>>;
}

/**
 * What did happen, in the measures of a replay. A recorded window does not say whether anything waited: an empty one
 * counts as idle, as with any load worth levelling something did.
 */
export function whatHappened(
  windows: readonly RecordedWindow[],
  executions: readonly { readonly delayTicks: number }[],
  tickMs: number,
  bandWidth: number,
): Measures {
  const tally = new Tally(tickMs, bandWidth);
  tally.arrived(executions.length);
  for (const { delayTicks } of executions) tally.executed(delayTicks);
  for (const { ticks, metrics } of windows) {
    const ran = ticks.reduce((sum, tick) => sum + tick.length, 0);
    tally.window(metrics, ran, true);
  }
  return tally.result();
}
