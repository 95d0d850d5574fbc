/** What was learned as bytes: compact JSON, which shrinks well under gzip. Costs are derived from it, not part of it. */
import { z } from "zod";
import { EstimatorStateError, parseState } from "../estimator/state.ts";
import { Memory } from "./memory.ts";

export const profileFormat = "evenkeel.profile/2";

const triple = z.tuple([z.number(), z.number(), z.number()]);
const schema = z.object({
  format: z.literal(profileFormat),
  horizon: z.number(),
  /** [id, seen, lastSeenAt, anchor's means, anchor's precisions]. */
  queries: z.array(z.tuple([z.string(), z.number(), z.number(), triple, triple])),
  /** [key, endedAt, tickMs, pieces flat: query, from, to, durationMs, times each; used per resource and tick]. */
  windows: z.array(
    z.tuple([
      z.string(),
      z.number(),
      z.number().positive(),
      z.array(z.number().min(0)),
      z.array(z.array(z.number())).length(3),
    ]),
  ),
});

/** Times and amounts are kept to a thousandth. */
const short = (value: number) => Math.round(value * 1_000) / 1_000;

export function encode({ queries, windows, horizon }: Memory): Uint8Array {
  const state: z.input<typeof schema> = {
    format: profileFormat,
    horizon,
    queries: queries.map(({ id, seen, lastSeenAt, anchor }) => [
      id,
      seen,
      lastSeenAt,
      [...anchor.mean],
      [...anchor.precision],
    ]),
    windows: windows.map(({ key, endedAt, tickMs, pieces, used }) => [
      key,
      endedAt,
      tickMs,
      pieces.flatMap(({ query, from, to, durationMs, times }) => [query, ...[from, to, durationMs].map(short), times]),
      used.map((values) => values.map(short)),
    ]),
  };
  return new TextEncoder().encode(JSON.stringify(state));
}

/** @throws EstimatorStateError */
export function decode(bytes: Uint8Array): Memory {
  const { queries, windows, horizon } = parseState(schema, bytes);
  const memory = new Memory();
  memory.horizon = horizon;
  for (const [id, seen, lastSeenAt, mean, precision] of queries)
    memory.restoreQuery({ id, seen, lastSeenAt, anchor: { mean, precision } });
  for (const [key, endedAt, tickMs, flat, used] of windows) {
    const pieces = Array.from({ length: Math.floor(flat.length / 5) }, (_, at) => {
      const [query = 0, from = 0, to = 0, durationMs = 0, times = 1] = flat.slice(5 * at, 5 * at + 5);
      return { query, from, to, durationMs, times };
    });
    if (pieces.some(({ query }) => !Number.isInteger(query) || query >= queries.length))
      throw new EstimatorStateError(`window ${key} names a query that is not in the state`);
    memory.restoreWindow({ key, endedAt, tickMs, pieces, used });
  }
  return memory;
}
