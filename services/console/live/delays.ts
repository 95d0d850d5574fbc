import { Histogram } from "../../../core/workload/measures.ts";
import type { DelaySummary } from "../contract/live.ts";

const minuteMs = 60_000;
const keptMinutes = 60;

/** Upper ends of the distribution's buckets, in seconds; the last bucket has none. */
export const bucketEnds = [0.1, 0.2, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60] as const;

interface Minute {
  readonly startsAt: number;
  readonly delays: Histogram;
}

/** Delays in ticks, a histogram a minute, for an hour. */
export class DelayLog {
  #minutes: Minute[] = [];

  add(at: number, delayTicks: number): void {
    const startsAt = Math.floor(at / minuteMs) * minuteMs;
    let minute = this.#minutes.at(-1);
    if (!minute || minute.startsAt < startsAt) {
      minute = { startsAt, delays: new Histogram() };
      this.#minutes.push(minute);
      if (this.#minutes.length > keptMinutes) this.#minutes.shift();
    }
    minute.delays.add(Math.max(0, delayTicks));
  }

  /** Of the minutes that end after `ms` (Unix). */
  since(ms: number): Histogram {
    const sum = new Histogram();
    for (const { startsAt, delays } of this.#minutes) if (startsAt + minuteMs > ms) sum.merge(delays);
    return sum;
  }
}

export function summarize(delays: Histogram, tickMs: number): DelaySummary | null {
  if (delays.total === 0) return null;
  const seconds = (share: number) => ((delays.percentile(share) ?? 0) * tickMs) / 1_000;
  return { executions: delays.total, p50: seconds(0.5), p95: seconds(0.95), p99: seconds(0.99), max: seconds(1) };
}

/** Executions per bucket of `bucketEnds`, and those above the last end. */
export function bucketsOf(delays: Histogram, tickMs: number) {
  const counts = new Array<number>(bucketEnds.length + 1).fill(0);
  for (const [ticks, executions] of delays.entries()) {
    const seconds = (ticks * tickMs) / 1_000;
    const bucket = bucketEnds.findIndex((end) => seconds <= end + 1e-9);
    const index = bucket < 0 ? bucketEnds.length : bucket;
    counts[index] = (counts[index] ?? 0) + executions;
  }
  return counts.map((executions, index) => ({ upToSeconds: bucketEnds[index] ?? null, executions }));
}
