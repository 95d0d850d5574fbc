/** What a scheduler's `GET /status` answers: read by the command line and the console. */
import { z } from "zod";

const share = z.number().min(0).max(1);
const count = z.int().min(0);

export const schedulerStatus = z.object({
  serverId: z.string().nullable(),
  serverUrl: z.string(),
  epoch: z.string().nullable(),
  /** Last tick observed; null while not connected. */
  tick: z.int().nullable(),
  /** waiting: for the lease or the server; learning: costs are missing or too vague; off: it does nothing. */
  mode: z.enum(["waiting", "learning", "steering", "off"]),
  api: z.enum(["place", "delay"]),
  backlog: count,
  /** Share of placements that came after the tick they were for, over the last 10 minutes; null before the first. */
  lateShare: share.nullable(),
  placements: count,
  /** Of the last 600 plans. */
  planMs: z.object({ p50: z.number(), p99: z.number() }).nullable(),
  /** Share of windows in band (all three resources); null while no window closed. */
  inBand: z.object({ lastMinute: share.nullable(), last10Minutes: share.nullable() }),
  /** Of what ran in the last 10 minutes; null when nothing did. */
  delaySeconds: z.object({ p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() }).nullable(),
  /** `version` 0: none yet. */
  costs: z.object({ version: count, ageSeconds: z.number().nullable(), queries: count }),
  lease: z.object({ slot: z.string(), token: count, remainingMs: z.number() }),
  /** One line for a person when a wish is out of reach or costs are unknown. */
  advice: z.string().nullable(),
  /** What does not work at the moment, one line each. */
  trouble: z.array(z.string()),
});
export type SchedulerStatus = z.infer<typeof schedulerStatus>;
