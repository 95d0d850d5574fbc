/** What was recorded in a time. */
import { z } from "zod";
import { metrics } from "../../../platform/wire.ts";
import { count, share, time } from "./units.ts";

/** A stretch of time in the history. */
export const historyBucket = metrics.extend({
  /** Its end. */
  at: time,
  windows: count,
  inBand: count,
  ran: count,
});
export type HistoryBucket = z.infer<typeof historyBucket>;
/** One recorded window. */
export const exportedWindow = metrics.extend({ endedAt: time, executions: count, inBand: z.boolean() });
export type ExportedWindow = z.infer<typeof exportedWindow>;

export const historyAnswer = z.object({
  from: time,
  to: time,
  stepMs: count,
  windows: count,
  inBand: share.nullable(),
  buckets: z.array(historyBucket),
});
export type HistoryAnswer = z.infer<typeof historyAnswer>;
