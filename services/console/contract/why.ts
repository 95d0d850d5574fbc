/** What is told of one execution, and of one window. */
import { z } from "zod";
import { explanation } from "../../../platform/scheduler-status.ts";
import { metrics } from "../../../platform/wire.ts";
import { count, seconds, share, time, triple } from "./units.ts";

/** What became of one execution. */
export const executionStory = z.object({
  executionId: z.string(),
  queryId: z.string(),
  arrivedAt: time.nullable(),
  arrivedTick: count.nullable(),
  /** The tick it would have run in by the server's default delay; null where it was not seen to arrive. */
  firstDueTick: count.nullable(),
  /** The scheduler's word; null when it has none, and then why. */
  plan: explanation
    .pick({ plannedAt: true, placedTick: true, reason: true, matchedWith: true })
    .extend({ matched: z.array(z.object({ executionId: z.string(), queryId: z.string().nullable() })) })
    .omit({ matchedWith: true })
    .nullable(),
  planProblem: z.string().nullable(),
  executedAt: time.nullable(),
  executedTick: count.nullable(),
  delaySeconds: seconds.nullable(),
  /** Its row in the table; null while it is not there. */
  recorded: z.object({ incarnation: z.string(), sequence: count, recordedAt: time.nullable() }).nullable(),
  tickMs: z.number().positive(),
});
export type ExecutionStory = z.infer<typeof executionStory>;

/** One window, tick by tick: what ran, and what the costs say that it took. */
export const windowStory = z.object({
  at: time,
  /** The table's windows carry what ran; the newest are told from the stream. */
  source: z.enum(["table", "stream"]),
  metrics: metrics.nullable(),
  inBand: z.boolean().nullable(),
  bandWidth: share,
  ticks: z.array(
    z.object({
      tick: count,
      executions: z.array(
        z.object({ queryId: z.string(), executionId: z.string().nullable(), mean: triple.nullable() }),
      ),
      /** Sum of the costs as they are believed now. */
      predicted: triple,
    }),
  ),
});
export type WindowStory = z.infer<typeof windowStory>;
