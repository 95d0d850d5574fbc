import { within } from "./singles.ts";
import type { Stream } from "./traffic.ts";

/** Only the most frequent streams are swept; rarer ones fill no box. */
const mostStreams = 150;
/** Boxes with less than this share of the traffic are left out. */
const leastShare = 0.025;

/** Streams whose costs lie within one box: ten executions of them make a window of single executions. */
export interface StreamBox {
  readonly members: readonly Stream[];
  /** Arrivals per tick of all members. */
  readonly rate: number;
}

/**
 * The boxes of relative width (1 + width) / (1 - width) that hold most of the traffic, found by the sweep of
 * `findBoxes` over the streams, fullest first; boxes with the same members count once.
 */
export function catalogue(all: readonly Stream[], width: number, most: number): StreamBox[] {
  const ratio = (1 + width) / (1 - width);
  const total = all.reduce((sum, { rate }) => sum + rate, 0);
  const streams = all.toSorted((a, b) => b.rate - a.rate).slice(0, mostStreams);
  const least = leastShare * total;
  const found = new Map<string, StreamBox>();
  const byCpu = streams.toSorted((a, b) => a.cost[0] - b.cost[0]);
  for (let cpu = 0; cpu < byCpu.length; cpu++) {
    const nearCpu = within(byCpu, 0, cpu, ratio);
    if (rateOf(nearCpu) < least) continue;
    nearCpu.sort((a, b) => a.cost[1] - b.cost[1]);
    for (let io = 0; io < nearCpu.length; io++) {
      const nearIo = within(nearCpu, 1, io, ratio);
      if (rateOf(nearIo) < least) continue;
      nearIo.sort((a, b) => a.cost[2] - b.cost[2]);
      let reached = 0;
      for (let memory = 0; memory < nearIo.length; memory++) {
        const members = within(nearIo, 2, memory, ratio);
        if (memory + members.length === reached) continue;
        reached = memory + members.length;
        const rate = rateOf(members);
        if (rate < least) continue;
        const key = rate.toPrecision(12);
        if (!found.has(key)) found.set(key, { members, rate });
      }
    }
  }
  return Array.from(found.values())
    .sort((a, b) => b.rate - a.rate)
    .slice(0, most);
}

function rateOf(streams: readonly Stream[]): number {
  let sum = 0;
  for (const { rate } of streams) sum += rate;
  return sum;
}
