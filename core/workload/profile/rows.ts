/** Ticks as equations: what a tick used is what the executions in it used, and the background. */
import type { Timeline } from "./timeline.ts";

/** Time through which the background is taken to be constant. */
const blockMs = 20_000;

/** One tick of one resource. */
export interface Row {
  readonly used: number;
  /** Query and how much of its cost fell into the tick. */
  readonly parts: readonly (readonly [query: number, share: number])[];
  /** Of the background's piecewise constant course. */
  readonly block: number;
  readonly endedAt: number;
}

/** The rows of one resource, oldest first. An execution's work lies evenly over its undisturbed time; what it holds it holds for as long as it runs. */
export function rowsOf({ ticks, runs }: Timeline, resource: number, holds: boolean): Row[] {
  const shares = ticks.map(() => new Map<number, number>());
  for (const { query, times, undisturbedMs, stays } of runs) {
    for (const { tick, ms, undisturbedMs: own } of stays) {
      const of = shares[tick];
      const share = times * (holds ? ms / ((ticks[tick]?.to ?? 0) - (ticks[tick]?.from ?? 0)) : own / undisturbedMs);
      if (of && share > 0) of.set(query, (of.get(query) ?? 0) + share);
    }
  }
  const begin = ticks[0]?.from ?? 0;
  return ticks.map(({ used, from, endedAt }, at) => ({
    used: used[resource] ?? 0,
    parts: [...(shares[at] ?? [])],
    block: Math.max(0, Math.floor((from - begin) / blockMs)),
    endedAt,
  }));
}
