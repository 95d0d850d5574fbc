/** An estimator's state as bytes: compact JSON, which shrinks well under gzip. Costs are derived from it, not part of it. */
import { z } from "zod";
import { Memory } from "./memory.ts";

const format = "evenkeel.estimator/1";

const numbers = z.array(z.number()).length(3);
const schema = z.object({
  format: z.literal(format),
  horizon: z.number(),
  /** [id, seen, lastSeenAt, versions], a version being [since, precision x 3, shift x 3]. */
  queries: z.array(
    z.tuple([z.string(), z.number(), z.number(), z.array(z.tuple([z.number(), numbers, numbers])).min(1)]),
  ),
  epochs: z.array(z.string()),
  /** [key, epoch, endedAt, firstTick, inferred, ticks, bands]; null in bands: unusable. */
  windows: z.array(
    z.tuple([
      z.string(),
      z.int().min(0),
      z.number(),
      z.int().min(0),
      z.boolean(),
      z.array(z.array(z.int().min(0))).min(1),
      z.array(z.number().nullable()).length(9),
    ]),
  ),
});

/** Bytes that are no state of this version; rebuild from the recorded windows. */
export class EstimatorStateError extends Error {
  override readonly name = "EstimatorStateError";
}

export function encode(memory: Memory): Uint8Array {
  const { windows, queries, horizon } = memory;
  const epochs = Array.from(new Set(windows.map(({ epoch }) => epoch)));
  const state: z.input<typeof schema> = {
    format,
    horizon,
    queries: queries.map(({ id, seen, lastSeenAt, versions }) => [
      id,
      seen,
      lastSeenAt,
      versions.map((v) => [v.since, Array.from(v.precision), Array.from(v.shift)]),
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
    ]),
  };
  return new TextEncoder().encode(JSON.stringify(state));
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
  const { queries, epochs, windows, horizon } = parseState(schema, bytes);
  const memory = new Memory();
  memory.horizon = horizon;
  for (const [id, seen, lastSeenAt, versions] of queries)
    memory.restoreQuery({
      id,
      seen,
      lastSeenAt,
      versions: versions.map(([since, precision, shift]) => ({
        since,
        precision: Float64Array.from(precision),
        shift: Float64Array.from(shift),
      })),
    });
  for (const [key, epoch, endedAt, firstTick, inferred, ticks, bands] of windows) {
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
    });
  }
  return memory;
}
