/** First guesses, from what can be read off without a fit. */
import type { Run, Timeline } from "./timeline.ts";

export interface Guess {
  /** Mean cost of an execution, in the resource's unit; undefined when none was seen. */
  readonly cost: number | undefined;
  /** How long it takes by itself, in ms: the median. */
  readonly durationMs: number | undefined;
}

/**
 * A query's cost by its undisturbed duration, at the rate at which executions use the resource on the whole: a straight line
 * through ticks' use over the undisturbed time in them.
 */
export function guesses({ ticks, runs }: Timeline, resource: number, queries: number): Guess[] {
  const time = new Float64Array(ticks.length);
  const ran: Pick<Run, "undisturbedMs" | "times">[][] = Array.from({ length: queries }, () => []);
  for (const { query, times, undisturbedMs, stays } of runs) {
    ran[query]?.push({ undisturbedMs, times });
    for (const { tick, undisturbedMs: own } of stays) time[tick] = (time[tick] ?? 0) + times * own;
  }
  const used = ticks.map((tick) => tick.used[resource] ?? 0);
  const rate = slope(time, used, resource === 0 ? 1 : Number.POSITIVE_INFINITY);
  return ran.map((of) => {
    if (of.length === 0) return { cost: undefined, durationMs: undefined };
    const count = of.reduce((sum, { times }) => sum + times, 0);
    const mean = of.reduce((sum, { undisturbedMs, times }) => sum + times * undisturbedMs, 0) / count;
    return { cost: rate * mean, durationMs: medianOf(of) };
  });
}

function medianOf(runs: readonly Pick<Run, "undisturbedMs" | "times">[]): number | undefined {
  let half = runs.reduce((sum, { times }) => sum + times, 0) / 2;
  for (const { undisturbedMs, times } of runs.toSorted((a, b) => a.undisturbedMs - b.undisturbedMs)) {
    half -= times;
    if (half < 0) return undisturbedMs;
  }
  return undefined;
}

/** Of the least squares line of y over x, between 0 and `most` and what leaves no negative intercept. */
function slope(x: Float64Array, y: readonly number[], most: number): number {
  const count = Math.max(1, x.length);
  const [meanX, meanY] = [x.reduce((a, b) => a + b, 0) / count, y.reduce((a, b) => a + b, 0) / count];
  let [xx, xy] = [0, 0];
  for (const [at, value] of y.entries()) {
    const off = (x[at] ?? 0) - meanX;
    xx += off ** 2;
    xy += off * (value - meanY);
  }
  const fitted = xx > 0 ? xy / xx : meanY / Math.max(meanX, 1e-9);
  return Math.max(0, Math.min(fitted, most, meanY / Math.max(meanX, 1e-9)));
}
