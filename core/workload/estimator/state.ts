/** An estimator's state as bytes: compact JSON, which shrinks well under gzip. Costs are derived from it, not part of it. */
import { z } from "zod";
import { Memory } from "./memory.ts";
import { factorsOfVersion, factorsOfWindow } from "./progress.ts";

const format = "evenkeel.estimator/2";

/** 32-bit numbers, lowest byte first, as base64. */
const packed = z.base64();

function pack(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

const numbers = z.array(z.number()).length(3);
const progressSchema = z.object({
  runs: z.int().min(0),
  rounds: z.int().min(0),
  integer: z.boolean(),
  unseen: z.number().min(0),
  components: z.array(z.array(z.number()).length(7).readonly()).min(1).readonly(),
  shifts: z.array(z.number()).length(3).readonly(),
});
const schema = z.object({
  format: z.literal(format),
  horizon: z.number(),
  /** [id, seen, lastSeenAt, versions], a version being [since, precision x 3, shift x 3, factors]. */
  queries: z.array(
    z.tuple([
      z.string(),
      z.number(),
      z.number(),
      z.array(z.tuple([z.number(), numbers, numbers, packed.nullable()])).min(1),
    ]),
  ),
  epochs: z.array(z.string()),
  /** [key, epoch, endedAt, firstTick, inferred, ticks, bands, factors]; null in bands: unusable. */
  windows: z.array(
    z.tuple([
      z.string(),
      z.int().min(0),
      z.number(),
      z.int().min(0),
      z.boolean(),
      z.array(z.array(z.int().min(0))).min(1),
      z.array(z.number().nullable()).length(9),
      packed.nullable(),
    ]),
  ),
  /** Without it factors are null, and learning begins anew. */
  progress: progressSchema.nullable(),
});

/** Bytes that are no state of this version; rebuild from the recorded windows. */
export class EstimatorStateError extends Error {
  override readonly name = "EstimatorStateError";
}

export function encode(memory: Memory): Uint8Array {
  const { windows, queries, horizon, progress = null } = memory;
  const packedFactors = (factors: Float32Array | undefined) => (progress && factors ? pack(factors) : null);
  const epochs = Array.from(new Set(windows.map(({ epoch }) => epoch)));
  const state: z.input<typeof schema> = {
    format,
    horizon,
    queries: queries.map(({ id, seen, lastSeenAt, versions }) => [
      id,
      seen,
      lastSeenAt,
      versions.map((v) => [v.since, Array.from(v.precision), Array.from(v.shift), packedFactors(v.factors)]),
    ]),
    epochs,
    windows: windows.map((w) => [
      w.key,
      epochs.indexOf(w.epoch),
      w.endedAt,
      w.firstTick,
      w.inferred,
      w.ticks.map((tick) => Array.from(tick)),
      Array.from(w.bands, (x) => (Number.isNaN(x) ? null : x)),
      packedFactors(w.factors),
    ]),
    progress,
  };
  return new TextEncoder().encode(JSON.stringify(state));
}

/** @throws EstimatorStateError when it is not `length` finite numbers */
function unpack(text: string | null, length: number): Float32Array | undefined {
  if (text === null) return undefined;
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  const values = bytes.length === 4 * length ? new Float32Array(bytes.buffer) : new Float32Array();
  if (values.length !== length || !values.every(Number.isFinite))
    throw new EstimatorStateError(`not an estimator's state: factors that are not ${length} numbers`);
  return values;
}

/** @throws EstimatorStateError that says where the bytes are not of the schema */
export function parseState<Schema extends z.ZodType>(schema: Schema, bytes: Uint8Array): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EstimatorStateError("the estimator's state is not JSON", { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new EstimatorStateError(`not an estimator's state: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** @throws EstimatorStateError */
export function decode(bytes: Uint8Array): Memory {
  const { queries, epochs, windows, horizon, progress } = parseState(schema, bytes);
  const memory = new Memory();
  memory.horizon = horizon;
  memory.progress = progress ?? undefined;
  for (const [id, seen, lastSeenAt, versions] of queries)
    memory.restoreQuery({
      id,
      seen,
      lastSeenAt,
      versions: versions.map(([since, precision, shift, factors]) => ({
        since,
        factors: unpack(factors, factorsOfVersion),
        precision: Float64Array.from(precision),
        shift: Float64Array.from(shift),
      })),
    });
  for (const [key, epoch, endedAt, firstTick, inferred, ticks, bands, factors] of windows) {
    if (ticks.some((tick) => tick.some((query) => query >= queries.length)))
      throw new EstimatorStateError(`window ${key} names a query that is not in the state`);
    memory.restoreWindow({
      key,
      epoch: epochs[epoch] ?? "",
      endedAt,
      firstTick,
      inferred,
      ticks: ticks.map((tick) => Int32Array.from(tick)),
      bands: Float64Array.from(bands, (x) => x ?? Number.NaN),
      factors: unpack(factors, factorsOfWindow(ticks.length)),
    });
  }
  return memory;
}
