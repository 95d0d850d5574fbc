/**
 * Everything that crosses a process boundary of the loop, as schemas: outbox rows, queue messages, and the database
 * server's API. Parsed at every boundary; unknown fields of foreign servers are let through by their schemas, unknown
 * fields of our own messages are refused.
 */
import { z } from "zod";
import { ofList, ofText } from "./lengths.ts";

const count = z.int().min(0);
/** Unix ms until the year 2286: table keys hold 13 digits. */
const milliseconds = z.int().min(0).max(9_999_999_999_999);
/** Counts what an outbox holds, from 1: table keys hold 12 digits. */
const sequence = z.int().min(1).max(999_999_999_999);
/** Ids are opaque text: UUIDs on the simulated server, fingerprints elsewhere. `#` separates the parts of table keys; queues refuse surrogates and U+FFFE, U+FFFF. */
export const identifier = z
  .string()
  .min(1, ofText)
  .max(200, ofText)
  .regex(/^[^#\s\p{Cc}\p{Cs}\ufffe\uffff]+$/u, "an id holds no '#', white space or control character");

/** Percent over the ticks of one metrics window: the average is floored, minimum and maximum are of single ticks. Not capped at 100. */
export const band = z.object({ average: z.number(), min: z.number(), max: z.number() });
export const metrics = z.object({ cpu: band, io: band, memory: band });
export type Metrics = z.infer<typeof metrics>;

// ---------------------------------------------------------------------------------------------------------------
// Outbox rows and queue messages

const row = { sequence, epoch: identifier };

/** One query that ran. Times in Unix ms; `tick` counts from 0 within the epoch; `delayTicks` from arrival to execution. */
export const executionRow = z.strictObject({
  type: z.literal("execution"),
  ...row,
  executionId: identifier,
  queryId: identifier,
  arrivedAt: milliseconds,
  executedAt: milliseconds,
  tick: count,
  delayTicks: count,
  /** How long it ran, where executions last longer than a tick. */
  durationMs: count.optional(),
});

/** An amount as measured, such as CPU in percent of one core; larger ones are no measurement. */
const amount = z.number().min(0).max(1e12);
/**
 * What ticks used, one value each: CPU in percent of one core (200: two cores busy), IO in KiB, memory in MiB held.
 * Each list is as long as the window's `ticks`.
 */
const amounts = z.array(amount).max(10_000, ofList);
const usagePerTick = z.strictObject({ cpu: amounts, io: amounts, memory: amounts });
/**
 * An execution that was active in a window: from when to when in it (ms after its start), and how long it lasted in
 * all; null when it had not ended 30 s after the window. `times`: so many of one query that began in one tick and ended in
 * one, told as one with their means, so that a row has room for them.
 */
const activeExecution = z.strictObject({
  query: count,
  from: amount,
  to: amount,
  durationMs: amount.nullable(),
  times: z.int().min(2).optional(),
});

/**
 * One metrics window with what ran in it. `ticks[k]` lists what ran in tick `firstTick + k`, as indexes into `queries`
 * (repeats allowed). `bounds` says whether the window's first and last tick are the server's word or a tap's guess.
 */
export const windowRow = z.strictObject({
  type: z.literal("window"),
  ...row,
  endedAt: milliseconds,
  tickMs: z.number().positive(),
  firstTick: count,
  bounds: z.enum(["exact", "inferred"]),
  metrics,
  queries: z.array(identifier).max(100_000, ofList),
  ticks: z.array(z.array(count)).min(1, ofList).max(10_000, ofList),
  /** Where executions last longer than a tick: `ticks` lists those that started, this those that ran, by index into `queries`. */
  active: z.array(activeExecution).max(100_000, ofList).optional(),
  usage: usagePerTick.optional(),
});

/** A tap could not see the server from `from` to `to` (Unix ms): what ran then may be missing. */
export const gapRow = z.strictObject({
  type: z.literal("gap"),
  ...row,
  from: milliseconds,
  to: milliseconds,
  reason: z.string().max(500, ofText),
});

export const outboxRow = z.discriminatedUnion("type", [executionRow, windowRow, gapRow]);
export type ExecutionRow = z.infer<typeof executionRow>;
export type WindowRow = z.infer<typeof windowRow>;
export type GapRow = z.infer<typeof gapRow>;
export type OutboxRow = z.infer<typeof outboxRow>;

export const batchFormat = "evenkeel.batch/1";

/**
 * A queue message's envelope. `first..last` are the sequence numbers that the message covers, `base` the lowest that
 * the sender still holds. Rows are parsed one by one (`outboxRow`), so that one bad row does not spoil its neighbours.
 */
export const batchEnvelope = z.strictObject({
  format: z.literal(batchFormat),
  serverId: identifier,
  incarnation: identifier,
  base: sequence,
  first: sequence,
  last: sequence,
  rows: z.array(z.unknown()).min(1, ofList),
});
export type BatchEnvelope = z.infer<typeof batchEnvelope>;

// ---------------------------------------------------------------------------------------------------------------
// The database server's API: the three calls that every server has

/** `GET /queued` (204 without a body when empty). `tick` and `arrivedTick` are ours; a plain server has neither. */
export const queuedExecutions = z.array(
  z.object({
    query: z.object({ id: identifier }),
    execution: z.object({
      id: identifier,
      timestamp: z.number(),
      tick: count.optional(),
      arrivedTick: count.optional(),
    }),
  }),
);
/** `GET /resources`. */
export const resources = metrics.extend({ timestamp: z.number() });
/** `POST /delay`: adds `delay` ticks to what remains of the execution's delay. */
export const delayRequest = z.strictObject({ id: identifier, delay: count });

// The calls that our server and the tap add

/** `POST /place`: the tick at which each execution shall run (never before its default delay). Idempotent; `fence` is the lease's token. */
export const placeRequest = z.strictObject({
  fence: count,
  placements: z
    .array(z.strictObject({ id: identifier, tick: count }))
    .min(1, ofList)
    .max(10_000, ofList),
});
/** `placed`: will run in `tick` (the nearest possible one); `gone`: unknown or already executed. */
export const placeResponse = z.object({
  tick: count,
  results: z.array(z.object({ id: identifier, outcome: z.enum(["placed", "gone"]), tick: count.optional() })),
});
export type PlaceResponse = z.infer<typeof placeResponse>;

const heldIncarnation = z.object({
  incarnation: identifier,
  /** Last sequence number given out. */
  lastSequence: count,
  /** Rows on disk, recorded or not: what of them has no receipt is sent by itself. */
  held: z.array(z.object({ first: sequence, last: sequence })),
});
export type HeldIncarnation = z.infer<typeof heldIncarnation>;

/** `GET /server`: who this is, its clockwork, and what its outbox holds. Sequence numbers are of `incarnation`. */
export const serverInfo = z.object({
  serverId: identifier,
  kind: z.enum(["native", "tap"]),
  epoch: identifier,
  tick: count,
  tickMs: z.number().positive(),
  windowTicks: z.int().min(1),
  defaultDelayTicks: count,
  /** Executions last longer than a tick: what they cost is spread over their duration. */
  spread: z.boolean().optional(),
  outbox: z.object({
    incarnation: identifier,
    /** Last sequence number given out; 0 before the first. Everything up to it is executed and on disk. */
    lastSequence: count,
    /** Everything up to here has a receipt. */
    recordedThrough: count,
    /** Rows on disk that have no receipt, and the bytes of the whole file. */
    waiting: count,
    bytes: count,
    /** Unix ms of the last successful send; null before the first. */
    lastSentAt: milliseconds.nullable(),
    /** Why sending does not work at the moment, in one line; null while it does. */
    trouble: z.string().nullable(),
    /** What comes to its bounds and is to be seen to before it gets there, in one line; null while nothing does. */
    warning: z.string().nullable().optional(),
    /** What the file holds of each incarnation that it knows, oldest first, in its sequence numbers. */
    incarnations: z.array(heldIncarnation).optional(),
  }),
  /** What has run since the epoch began, by type. */
  counted: z.object({ executions: count, windows: count, gaps: count }),
});
export type ServerInfo = z.infer<typeof serverInfo>;

const queuedEntry = z.object({
  id: identifier,
  queryId: identifier,
  arrivedTick: count,
  tick: count,
  /** Beyond it the server does not let it wait, wherever it is placed. */
  latestTick: count.optional(),
});
/** An execution waiting on the server: it arrived in `arrivedTick` and is due in `tick`. */
export type QueuedEntry = z.infer<typeof queuedEntry>;

/** `GET /stream` (server-sent events): the first event of a connection, with the whole queue after tick `tick` (-1 before the first). */
export const helloEvent = z.object({
  type: z.literal("hello"),
  serverId: identifier,
  epoch: identifier,
  tick: z.int().min(-1),
  tickMs: z.number().positive(),
  windowTicks: z.int().min(1),
  defaultDelayTicks: count,
  /** As in `GET /server`. */
  spread: z.boolean().optional(),
  queue: z.array(queuedEntry),
});
/**
 * Then one event a tick, sent as soon as the tick is on disk: what ran (with `spread` what started), what arrived, and the
 * metrics window that it closed. With `spread` it may come up to two ticks late, for its usage to be in it.
 */
export const tickEvent = z.object({
  type: z.literal("tick"),
  tick: count,
  /** Unix ms. */
  at: z.number(),
  executed: z.array(z.object({ id: identifier, queryId: identifier, arrivedTick: count })),
  arrived: z.array(queuedEntry),
  /** The closed window covers ticks `firstTick..tick`; absent while none closed. */
  window: z.object({ firstTick: count, bounds: z.enum(["exact", "inferred"]), metrics }).optional(),
  /** In the units of a window's `usage`; absent when it is not known yet. */
  usage: z.object({ cpu: amount, io: amount, memory: amount }).optional(),
  /** With `spread`: what ended in this tick. */
  ended: z.array(z.object({ id: identifier, queryId: identifier, startedTick: count, durationMs: amount })).optional(),
});
export const streamEvent = z.discriminatedUnion("type", [helloEvent, tickEvent]);
export type HelloEvent = z.infer<typeof helloEvent>;
export type TickEvent = z.infer<typeof tickEvent>;
export type StreamEvent = z.infer<typeof streamEvent>;
