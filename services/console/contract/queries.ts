/** What the views of queries are told. */
import { z } from "zod";
import { count, seconds, share, time, triple } from "./units.ts";

/** One query, with what is believed of its cost and what was seen of it in the last ten minutes. */
export const queryRow = z.object({
  queryId: z.string(),
  /**
   * CPU, IO, memory of an execution: in percent of a tick, or, where executions last (`durationMs`), in CPU ms, KiB, and
   * MiB held; null before the first estimate that knows it.
   */
  mean: triple.nullable(),
  sd: triple.nullable(),
  /** How long one lasts with the server to itself; null where executions fill no more than a tick. */
  durationMs: z.number().min(0).nullable(),
  /** Executions that the estimate saw. */
  seen: count,
  /** Unix ms; null when never. */
  lastSeenAt: time.nullable(),
  perMinute: z.number().min(0),
  /** Its part of the load of the last ten minutes, over the three resources (CPU, where executions last); without any, of all that was seen. */
  loadShare: share,
  meanDelaySeconds: seconds.nullable(),
  /** Executions per ten seconds over the last ten minutes, oldest first; empty when none was seen. */
  perTenSeconds: z.array(count),
});
export type QueryRow = z.infer<typeof queryRow>;

export const querySorts = ["load", "cpu", "io", "memory", "uncertainty", "traffic", "delay", "lastSeen", "id"] as const;
export type QuerySort = (typeof querySorts)[number];
export const queriesAnswer = z.object({
  /** Queries that the filter lets through, and all. */
  matching: count,
  total: count,
  queries: z.array(queryRow),
});
export type QueriesAnswer = z.infer<typeof queriesAnswer>;

/** One recorded execution. */
export const recordedExecution = z.object({
  executionId: z.string(),
  arrivedAt: time,
  executedAt: time,
  tick: count,
  delaySeconds: seconds,
});
export const queryAnswer = z.object({
  query: queryRow,
  from: time,
  to: time,
  /** Per minute of the range in which it ran. */
  minutes: z.array(z.object({ at: time, executions: count, meanDelaySeconds: seconds, maxDelaySeconds: seconds })),
  /** The newest 200 of the range. */
  executions: z.array(recordedExecution),
});
export type QueryAnswer = z.infer<typeof queryAnswer>;
