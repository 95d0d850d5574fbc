/** Windows laid out along the time: whole executions, and what each used of each tick in undisturbed time. */
import type { KeptWindow } from "./memory.ts";

export interface Tick {
  /** Unix ms. */
  readonly from: number;
  readonly to: number;
  /** Per resource: CPU ms, IO KiB, MiB held. */
  readonly used: readonly number[];
  readonly endedAt: number;
}

/** What a whole execution had of one tick. */
export interface Stay {
  readonly tick: number;
  /** Ms in the tick, as the sampler, which reads only so often, would place them. */
  readonly ms: number;
  /** The same at the speed that its share of the processors allowed. */
  readonly undisturbedMs: number;
}

export interface Run {
  readonly query: number;
  /** So many alike. */
  readonly times: number;
  readonly durationMs: number;
  /** How long it would have taken by itself. */
  readonly undisturbedMs: number;
  readonly stays: readonly Stay[];
}

export interface Timeline {
  readonly ticks: readonly Tick[];
  readonly runs: readonly Run[];
}

/** A sampler that reads each 50 to 100 ms spreads what happens in between: the same is done to the executions. */
const sampledMs = 100;
const shifts = [-0.4, -0.13, 0.13, 0.4].map((share) => share * sampledMs);
/** Ends that lie so near count as the same. */
const nearMs = 1.5;
const busiest = 0.95;

export function layOut(windows: readonly KeptWindow[]): Timeline {
  const ticks = windows.flatMap(({ used, tickMs, endedAt }): Tick[] => {
    const [first = []] = used;
    const begin = endedAt - first.length * tickMs;
    return first.map((_, at) => ({
      from: begin + at * tickMs,
      to: begin + (at + 1) * tickMs,
      used: used.map((values) => values[at] ?? 0),
      endedAt,
    }));
  });
  const spans = wholeExecutions(windows);
  const overlaps = spans.map((span) => overlapsOf(span, ticks));
  const crowd = new Float64Array(ticks.length);
  for (const [at, { times }] of spans.entries())
    for (const { tick, ms } of overlaps[at] ?? [])
      crowd[tick] = (crowd[tick] ?? 0) + (times * ms) / lengthOf(ticks[tick]);
  const cores = coresOf(ticks);
  const runs = spans.map(({ query, times, from, to }, at): Run => {
    const stays = (overlaps[at] ?? []).map(({ tick, ms }) => {
      return { tick, ms, undisturbedMs: ms * Math.min(1, cores / Math.max(crowd[tick] ?? 0, 1e-9)) };
    });
    const seen = stays.reduce((sum, { ms }) => sum + ms, 0);
    const undisturbed = stays.reduce((sum, { undisturbedMs }) => sum + undisturbedMs, 0);
    // Where windows are missing, what is not seen is taken to be as what is.
    return {
      query,
      times,
      durationMs: to - from,
      undisturbedMs: seen > 0 ? (undisturbed * (to - from)) / seen : to - from,
      stays,
    };
  });
  return { ticks, runs };
}

/** Processors that the server was seen to use, one at least. */
function coresOf(ticks: readonly Tick[]): number {
  const speeds = ticks.map((tick) => (tick.used[0] ?? 0) / lengthOf(tick)).sort((a, b) => a - b);
  return Math.max(1, speeds[Math.floor(busiest * speeds.length)] ?? 1);
}

interface Span {
  readonly query: number;
  readonly times: number;
  readonly from: number;
  readonly to: number;
}

/** Joins the pieces that windows cut executions into: a piece that reaches its window's end goes on in the next. */
function wholeExecutions(windows: readonly KeptWindow[]): Span[] {
  const spans: Span[] = [];
  const open = new Map<string, number[]>();
  for (const { pieces, tickMs, used, endedAt } of windows) {
    const begin = endedAt - (used[0]?.length ?? 0) * tickMs;
    for (const { query, from, to, durationMs, times } of pieces) {
      const name = `${query} ${durationMs}`;
      const before = from <= nearMs ? open.get(name)?.shift() : undefined;
      // The first piece tells when it started; where that is lost, the last one does.
      const started = before ?? (from > nearMs ? begin + from : begin + to - durationMs);
      if (before === undefined) spans.push({ query, times, from: started, to: started + durationMs });
      if (started + durationMs > endedAt + nearMs) {
        const waiting = open.get(name);
        if (waiting) waiting.push(started);
        else open.set(name, [started]);
      }
    }
  }
  return spans;
}

function overlapsOf({ from, to }: Span, ticks: readonly Tick[]): { tick: number; ms: number }[] {
  const result: { tick: number; ms: number }[] = [];
  for (let tick = firstAfter(ticks, from - sampledMs); tick < ticks.length; tick++) {
    const of = ticks[tick];
    if (!of || of.from >= to + sampledMs) break;
    let ms = 0;
    for (const shift of shifts) ms += Math.max(0, Math.min(to + shift, of.to) - Math.max(from + shift, of.from));
    if (ms > 0) result.push({ tick, ms: ms / shifts.length });
  }
  return result;
}

/** The first tick that ends after `time`. */
function firstAfter(ticks: readonly Tick[], time: number): number {
  let [low, high] = [0, ticks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ticks[middle]?.to ?? 0) > time) high = middle;
    else low = middle + 1;
  }
  return low;
}

function lengthOf(tick: Tick | undefined): number {
  return tick ? tick.to - tick.from : 1;
}
