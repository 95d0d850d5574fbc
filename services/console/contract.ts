/** What the console's API answers, as schemas: the OpenAPI document is made from them, and the page imports their types. */
import { z } from "zod";
import { explanation, schedulerKnobs, schedulerStatus } from "../../platform/scheduler-status.ts";
import { metrics } from "../../platform/wire.ts";

const count = z.int().min(0);
const share = z.number().min(0).max(1);
/** Unix ms. */
const time = z.int().min(0);
const seconds = z.number().min(0);

/** One closed metrics window. */
export const windowPoint = metrics.extend({
  /** When it ended. */
  at: time,
  /** Executions in it. */
  ran: count,
  /** What waited when it closed; null where that is not known (windows read from the table). */
  waiting: count.nullable(),
  inBand: z.boolean(),
  /** Nothing ran though executions waited. */
  idle: z.boolean(),
  /** Largest distance of a tick from the window's average, relative. */
  deviation: z.number().min(0),
  /** Whether a scheduler steered; null where that is not known. */
  steered: z.boolean().nullable(),
});
export type WindowPoint = z.infer<typeof windowPoint>;

export const delaySummary = z.object({ executions: count, p50: seconds, p95: seconds, p99: seconds, max: seconds });
export type DelaySummary = z.infer<typeof delaySummary>;

/** How level a stretch of time was, and what that cost. */
export const figures = z.object({
  windows: count,
  inBand: share,
  /** Median over the windows. */
  deviation: z.number(),
  /** The 99th percentile of the windows' largest ticks over the mean, for the resource where that is worst. */
  peakToMean: z.number(),
  delay: delaySummary.nullable(),
});
export type Figures = z.infer<typeof figures>;

export const partNames = ["database", "scheduler", "tables", "queue"] as const;
export type PartName = (typeof partNames)[number];

/** A part of the loop as the console sees it. `absent`: this loop has none. */
export const part = z.object({
  name: z.enum(partNames),
  state: z.enum(["asking", "answers", "away", "absent"]),
  /** Since when it is in that state. */
  since: time,
  problem: z.string().nullable(),
});
export type Part = z.infer<typeof part>;

/** What may be changed from the page. */
export const knobsChange = schedulerKnobs
  .pick({ enabled: true, latencyP95Seconds: true, bandWidth: true })
  .partial()
  .refine((change) => Object.keys(change).length > 0, "name at least one of enabled, latencyP95Seconds, bandWidth");
export type KnobsChange = z.infer<typeof knobsChange>;

/** The scheduler's status without its windows, which the console has of the server itself. */
export const schedulerState = schedulerStatus.omit({ windows: true });
export type SchedulerState = z.infer<typeof schedulerState>;

/** The audit's word on everything that ever ran, in rows. */
export const auditWord = z.object({
  at: time,
  /** Nothing is lost and nothing lies among the dead letters; what is on its way is still held by the server. */
  complete: z.boolean(),
  executed: count,
  recorded: count,
  onTheWay: count,
  lost: count,
  deadLettered: count,
  discarded: count,
  expired: count,
  /** Times in which something may have run unseen. */
  gaps: count,
});
export type AuditWord = z.infer<typeof auditWord>;

export const liveState = z.object({
  /** The console's clock. */
  at: time,
  serverId: z.string().nullable(),
  tickMs: z.number().positive().nullable(),
  parts: z.array(part),
  /** Share of windows in band over the last minutes; null while there is no window. */
  inBand: z.object({ minute: share.nullable(), tenMinutes: share.nullable(), hour: share.nullable() }),
  /** Of what ran in the last minutes, since the console started. */
  delay: z.object({
    minute: delaySummary.nullable(),
    tenMinutes: delaySummary.nullable(),
    hour: delaySummary.nullable(),
    /** Of the last ten minutes: executions whose delay was at most so many seconds and above the bucket before; null: no upper end. */
    buckets: z.array(z.object({ upToSeconds: seconds.nullable(), executions: count })),
  }),
  /** Executions that wait on the server; null while it is away. */
  waiting: count.nullable(),
  scheduler: schedulerState.nullable(),
  capture: z
    .object({
      executed: count,
      lastSequence: count,
      recordedThrough: count,
      waitingRows: count,
      outboxBytes: count,
      lastSentAt: time.nullable(),
      trouble: z.string().nullable(),
    })
    .nullable(),
  audit: auditWord.nullable(),
  /** Messages, about. */
  queue: z.object({ waiting: count, inFlight: count, deadLetters: count }).nullable(),
  costs: z.object({ version: count, estimatedAt: time.nullable(), queries: count }).nullable(),
  /** The last ten minutes of either, since the console started. */
  comparison: z.object({ off: figures.nullable(), on: figures.nullable() }),
  /** What becomes of the data when everything stops. */
  keeps: z.string(),
});
export type LiveState = z.infer<typeof liveState>;

/** An event of `GET /api/live`: the state, and the windows that closed since the event before. */
export const liveEvent = z.object({ state: liveState, windows: z.array(windowPoint) });
export type LiveEvent = z.infer<typeof liveEvent>;

const triple = z.tuple([z.number(), z.number(), z.number()]);

/** One query, with what is believed of its cost and what was seen of it in the last ten minutes. */
export const queryRow = z.object({
  queryId: z.string(),
  /** CPU, IO, memory in percent of a tick, per execution; null before the first estimate that knows it. */
  mean: triple.nullable(),
  sd: triple.nullable(),
  /** Executions that the estimate saw. */
  seen: count,
  /** Unix ms; null when never. */
  lastSeenAt: time.nullable(),
  perMinute: z.number().min(0),
  /** Its part of the load of the last ten minutes, over the three resources; without any, of all that was seen. */
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

/** A stretch of time in the history. */
export const historyBucket = metrics.extend({
  /** Its end. */
  at: time,
  windows: count,
  inBand: count,
  ran: count,
});
export type HistoryBucket = z.infer<typeof historyBucket>;
export const historyAnswer = z.object({
  from: time,
  to: time,
  stepMs: count,
  windows: count,
  inBand: share.nullable(),
  buckets: z.array(historyBucket),
});
export type HistoryAnswer = z.infer<typeof historyAnswer>;

const measures = z.object({
  windows: count,
  inBand: share.nullable(),
  idleShare: share.nullable(),
  deviationP95: z.number().nullable(),
  executed: count,
  delayMean: seconds.nullable(),
  delayP50: seconds.nullable(),
  delayP95: seconds.nullable(),
  delayP99: seconds.nullable(),
  delayMax: seconds.nullable(),
  peakToMean: z.number().nullable(),
});

/** What recorded traffic would have become with the costs learned by now. Times in Unix ms. */
export const whatIf = z.object({
  from: time,
  to: time,
  executions: count,
  bandWidth: share,
  /** In force now. */
  latencyP95Seconds: seconds,
  /** What did happen. */
  happened: measures,
  points: z.array(
    z.object({ policy: z.enum(["planner", "fifo", "none"]), latencyP95Seconds: seconds.nullable(), measures }),
  ),
  warnings: z.array(z.string()),
});
export type WhatIf = z.infer<typeof whatIf>;

/** How estimates came to the truth in a simulation. Costs in percent of a tick: CPU, IO, memory. */
export const convergence = z.object({
  scenario: z.string(),
  /** The simulation's query that is shown: the one asked for, or where it has none of that id, the one nearest in cost. */
  queryId: z.string(),
  same: z.boolean(),
  truth: triple,
  points: z.array(z.object({ second: count, seen: count, mean: triple, sd: triple })),
});
export type Convergence = z.infer<typeof convergence>;

/** Work that takes longer than an answer may: ask again until it is done. */
const jobOf = <Result extends z.ZodType>(result: Result) =>
  z.discriminatedUnion("state", [
    z.object({ state: z.literal("running"), doing: z.string(), share: share }),
    z.object({ state: z.literal("done"), result }),
    z.object({ state: z.literal("failed"), problem: z.string() }),
  ]);
export const whatIfJob = jobOf(whatIf);
export const convergenceJob = jobOf(convergence);
export type Job<Result> =
  | { readonly state: "running"; readonly doing: string; readonly share: number }
  | { readonly state: "done"; readonly result: Result }
  | { readonly state: "failed"; readonly problem: string };
