/** What a scheduler's `GET /status`, `PUT /knobs` and `GET /explain` speak: read by the command line and the console. */
import { z } from "zod";
import { identifier, metrics } from "./wire.ts";

const share = z.number().min(0).max(1);
const count = z.int().min(0);

const latencyP95Seconds = z.number().positive().max(3_600);
const bandWidth = z.number().positive().lt(1);
const timeBudgetMs = z.number().positive().max(1_000);
/** In mean ticks. */
const burst = z.number().min(1).max(1_000);
const deadline = z.number().min(0).max(86_400);
const mostDeadlines = 1_000;

/** What a person may turn; meanings and units: `Knobs` of the core. */
export const schedulerKnobs = z.strictObject({
  enabled: z.boolean(),
  latencyP95Seconds,
  bandWidth,
  burst,
  timeBudgetMs,
  deadlineSeconds: z
    .record(identifier, deadline)
    .refine((deadlines) => Object.keys(deadlines).length <= mostDeadlines, {
      error: `at most ${mostDeadlines} queries can have deadlines`,
    }),
});
export type SchedulerKnobs = z.infer<typeof schedulerKnobs>;

/** Body of `PUT /knobs`: what is left out stays as it is; a deadline of null takes a query's deadline away. */
export const knobsChange = schedulerKnobs
  .partial()
  .extend({ deadlineSeconds: z.record(identifier, deadline.nullable()).optional() });
export type KnobsChange = z.infer<typeof knobsChange>;

/** One metrics window as it came out. */
export const windowRecord = z.object({
  /** Unix ms. */
  endedAt: z.number(),
  lastTick: count,
  inBand: z.boolean(),
  /** Nothing ran in it though executions waited. */
  idle: z.boolean(),
  /** The largest distance of a tick from the window's average, relative. */
  deviation: z.number(),
  ran: count,
  /** Executions that waited when it closed. */
  backlog: count,
  /** Of what ran in it; null when nothing did. */
  delayP95Seconds: z.number().nullable(),
  metrics,
});
export type WindowRecord = z.infer<typeof windowRecord>;

/** `GET /explain?execution=ID`: why an execution of the last minutes ran, or will run, when it does. Times in Unix ms. */
export const explanation = z.object({
  executionId: identifier,
  queryId: identifier,
  arrivedAt: z.number(),
  arrivedTick: count,
  /** When the scheduler last placed it; null while it did not. */
  plannedAt: z.number().nullable(),
  /** Where it last placed it. */
  placedTick: count.nullable(),
  reason: z.string(),
  /** Executions that ran, or are placed, in the same tick. */
  matchedWith: z.array(identifier),
  executedAt: z.number().nullable(),
  executedTick: count.nullable(),
});
export type Explanation = z.infer<typeof explanation>;

/** `GET /status?since=MS` has the windows that ended after that Unix time in ms; without it, the last 60. */
export const schedulerStatus = z.object({
  serverId: z.string().nullable(),
  serverUrl: z.string(),
  epoch: z.string().nullable(),
  /** Last tick observed; null while not connected. */
  tick: z.int().nullable(),
  /** waiting: for the lease or the server; learning: costs are missing or too vague; off: it does nothing. */
  mode: z.enum(["waiting", "learning", "steering", "off"]),
  /** Why it does not steer, in one line; null while it does. */
  reason: z.string().nullable(),
  api: z.enum(["place", "delay"]),
  backlog: count,
  /** Share of placements that came after the tick they were for, over the last 10 minutes; null before the first. */
  lateShare: share.nullable(),
  placements: count,
  /** Of the last 600 plans. */
  planMs: z.object({ p50: z.number(), p99: z.number() }).nullable(),
  /** Share of windows in band (all three resources); null while no window closed. */
  inBand: z.object({ lastMinute: share.nullable(), last10Minutes: share.nullable(), lastHour: share.nullable() }),
  /** Of what ran in the last 10 minutes; null when nothing did. */
  delaySeconds: z
    .object({ mean: z.number(), p50: z.number(), p95: z.number(), p99: z.number(), max: z.number() })
    .nullable(),
  /** Oldest first; at most the last hour's, and 3,600. */
  windows: z.array(windowRecord),
  /** In force. */
  knobs: schedulerKnobs,
  /** `version` 0: none yet. */
  costs: z.object({ version: count, ageSeconds: z.number().nullable(), queries: count }),
  /** `holder`: the slot that holds the lease as far as this process knows; null when it does not. */
  lease: z.object({ slot: z.string(), token: count, remainingMs: z.number(), holder: z.string().nullable() }),
  /** One line for a person when a wish is out of reach or costs are unknown. */
  advice: z.string().nullable(),
  /** Where executions last: the narrowest half width of the band that can be promised, and what sets it. */
  floor: z.object({ width: z.number().min(0), reason: z.string() }).optional(),
  /** What does not work at the moment, one line each. */
  trouble: z.array(z.string()),
});
export type SchedulerStatus = z.infer<typeof schedulerStatus>;
