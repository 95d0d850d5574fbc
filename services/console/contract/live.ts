/** What the live view and the switch are told, as schemas: the OpenAPI document is made from them, and the page imports their types. */
import { z } from "zod";
import { schedulerKnobs, schedulerStatus } from "../../../platform/scheduler-status.ts";
import { metrics } from "../../../platform/wire.ts";
import { count, seconds, share, time } from "./units.ts";

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
  /** Largest distance of a tick from the window's average, relative; where executions last, of the second's CPU from `level`. */
  deviation: z.number().min(0),
  /** Where executions last: the CPU, in the unit of `cpu`, by which the second was judged; null elsewhere. */
  level: z.number().min(0).nullable(),
  /** Whether a scheduler steered; null where that is not known. */
  steered: z.boolean().nullable(),
});
export type WindowPoint = z.infer<typeof windowPoint>;

export const delaySummary = z.object({ executions: count, p50: seconds, p95: seconds, p99: seconds, max: seconds });
export type DelaySummary = z.infer<typeof delaySummary>;

/** How level a stretch of time was, and what that cost. */
export const figures = z.object({
  /** Ends of its first and its last window; what lies between was not all measured: the other way may have had its turn. */
  from: time,
  to: time,
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
  /** Executions last longer than a tick: CPU in percent of a core, IO in KiB a tick, memory in MiB; else all in percent of a tick. */
  spread: z.boolean(),
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
      /** Why it cannot send. */
      trouble: z.string().nullable(),
      /** That its disk space runs short, and when. */
      warning: z.string().nullable(),
    })
    .nullable(),
  audit: auditWord.nullable(),
  /** Messages, about. */
  queue: z.object({ waiting: count, inFlight: count, deadLetters: count }).nullable(),
  costs: z.object({ version: count, estimatedAt: time.nullable(), queries: count }).nullable(),
  /** Ten minutes of either way, the last of each that the console has seen since it started. */
  comparison: z.object({ off: figures.nullable(), on: figures.nullable() }),
  /** What becomes of the data when everything stops. */
  keeps: z.string(),
});
export type LiveState = z.infer<typeof liveState>;

/** An event of `GET /api/live`: the state, and the windows that closed since the event before. */
export const liveEvent = z.object({ state: liveState, windows: z.array(windowPoint) });
export type LiveEvent = z.infer<typeof liveEvent>;
