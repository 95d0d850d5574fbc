/**
 * What crosses between applications that use `@evenkeel/gate`, the sampler, and the gatekeeper. Times are told as ages
 * (ms before the message was sent, by a monotonic clock), so that neither a clock that jumps nor another machine's
 * clock matters. The whole protocol in words: docs/adr/0900.
 */
import { z } from "zod";
import { ofList, ofText } from "./lengths.ts";
import { identifier } from "./wire.ts";

/** At most a day: what is older cannot be placed in time any more. */
const age = z.number().min(0).max(86_400_000);
const index = z.int().min(0).max(9_999);
const name = z.string().min(1, ofText).max(200, ofText);

/** SQL text beyond this is told by its beginning; longer ones would take the parser too long. */
export const maxSqlCharacters = 32_768;

/** Which query: a name that the application gave it or an id that it was told before, or SQL text (`length`: of all of it). */
const statement = z.union([
  z.strictObject({ id: identifier }),
  z.strictObject({ sql: z.string().max(maxSqlCharacters, ofText), length: z.int().min(0) }),
]);
export type GateStatement = z.infer<typeof statement>;

export const gateEvent = z.discriminatedUnion("type", [
  /** Waits for its release, for `withinMs` more at the longest. Shadow: it runs already; what would have become of it is told. */
  z.strictObject({
    type: z.literal("queued"),
    id: identifier,
    statement: index,
    agoMs: age,
    withinMs: age,
    shadow: z.boolean(),
  }),
  /** Was given up before it began. */
  z.strictObject({ type: z.literal("cancelled"), id: identifier }),
  /** So many executions began and ended in this time and found no room until the gatekeeper was back. */
  z.strictObject({ type: z.literal("lost"), id: identifier, count: z.int().min(1), fromAgoMs: age, toAgoMs: age }),
]);
export type GateEvent = z.infer<typeof gateEvent>;

const mostExecutions = 2_000;
/** A column is checked in one pass: ten thousand executions a second come through here. */
function column<Value extends number | null>(of: z.ZodType<Value>, most: number, whole: boolean, what: string) {
  const holds = (value: Value) =>
    value === null || (value >= 0 && value <= most && (!whole || Number.isInteger(value)));
  return z
    .array(of)
    .max(mostExecutions, ofList)
    .refine((values) => values.every(holds), what);
}
const ages = "each is 0 to 86400000 ms";

/** Executions that have begun or ended, a list a property: many come at once, and are to cost little. */
const executions = z
  .strictObject({
    /** Counts the executions of the process: `<process>-<number>` is an execution's id. */
    number: column(z.number(), Number.MAX_SAFE_INTEGER, true, "each is a whole number"),
    statement: column(z.number(), 9_999, true, "each is the index of a statement"),
    /** How long it was held. */
    heldMs: column(z.number(), 86_400_000, false, ages),
    /** How long ago it began. */
    agoMs: column(z.number(), 86_400_000, false, ages),
    /** How long it ran; null while it runs. Complete in itself: that it began need not have been told. */
    durationMs: column(z.number().nullable(), 86_400_000, false, ages),
  })
  .refine(
    (columns) => Object.values(columns).every(({ length }) => length === columns.number.length),
    "all lists are of the same length",
  );
export type GateExecutions = z.infer<typeof executions>;

/** `POST /gate`: what happened in one process of an application. May be sent again: ids tell what is known. */
export const gateBatch = z.strictObject({
  /** One run of one process. */
  process: identifier,
  application: name,
  database: name,
  role: name,
  mode: z.enum(["observe", "shadow", "enforce"]),
  /** Counts the process's batches. */
  number: z.int().min(0),
  /** The process says goodbye. */
  closing: z.boolean().optional(),
  statements: z.array(statement).max(2_000, ofList),
  /** In order; `executions` came after them. */
  events: z.array(gateEvent).max(2_000, ofList),
  executions,
});
export type GateBatch = z.infer<typeof gateBatch>;

/** `ids[k]`: what `statements[k]` is called from now on. `told`: what is wrong with statements, by their index. */
export interface GateReply {
  readonly epoch: string;
  /** All that ended up to this batch of the process is on the gatekeeper's disk. */
  readonly durable: number;
  readonly ids: readonly string[];
  readonly told: readonly { readonly statement: number; readonly trouble: string }[];
}

/** `GET /gate?process=`: one JSON object a line; the first is a hello, and at least one comes each second. */
export type GateMessage =
  | { readonly type: "hello"; readonly epoch: string }
  | { readonly type: "release"; readonly ids: readonly string[] }
  | { readonly type: "alive"; readonly durable: number }
  /** What would have become of executions in shadow mode. */
  | { readonly type: "shadow"; readonly would: readonly ShadowFate[] };

export interface ShadowFate {
  readonly id: string;
  readonly delayMs: number;
  readonly why: string;
}

const amount = z.number().min(0).max(1e12);

/** `POST /usage`: what the database used from `from` to `to` (Unix ms). `memoryMiB` is a level, the others are sums. */
export const usageReport = z.strictObject({
  samples: z
    .array(
      z
        .strictObject({
          from: z.number().min(0).max(9_999_999_999_999),
          to: z.number().min(0).max(9_999_999_999_999),
          cpuMs: amount,
          ioKiB: amount,
          memoryMiB: amount,
        })
        .refine(
          ({ from, to }) => to > from && to - from <= 60_000,
          "a sample lasts from 'from' to a later 'to', a minute at most",
        ),
    )
    .min(1, ofList)
    .max(100, ofList),
});
export type UsageSample = z.infer<typeof usageReport>["samples"][number];

/** `POST /identify`: what executions of this statement are called. */
export const identifyRequest = z.strictObject({
  database: name,
  role: name,
  statements: z.array(statement).min(1, ofList).max(500, ofList),
});
