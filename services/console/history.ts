/** The recorded windows of a time, an hour after the other, as buckets for a chart or as rows. */
import { isInBand, mean, SecondJudge } from "../../core/workload/measures.ts";
import { type Resource, resources } from "../../core/workload/types.ts";
import type { StoredWindow } from "../../platform/tables/windows.ts";
import type { HistoryBucket } from "./contract/history.ts";
import type { ConsoleStore } from "./store.ts";

const hourMs = 3_600_000;

/** Windows that ended in `from..to` (Unix ms), read an hour at a time. */
export async function* readByHour(
  store: Pick<ConsoleStore, "windows">,
  serverId: string,
  from: number,
  to: number,
): AsyncGenerator<StoredWindow[]> {
  for (let start = from; start <= to; ) {
    const end = Math.min(to, Math.floor(start / hourMs) * hourMs + hourMs - 1);
    yield await store.windows(serverId, start, end);
    start = end + 1;
  }
}

export function ranIn({ ticks }: StoredWindow): number {
  return ticks.reduce((sum, { length }) => sum + length, 0);
}

/** Whether windows given one after the other are in band. */
export function judgeStored(bandWidth: number): (window: StoredWindow) => boolean {
  const seconds = new SecondJudge();
  return (window) =>
    window.usage
      ? seconds.judge(mean(window.usage.cpu), ranIn(window), false, bandWidth).inBand
      : isInBand(window.metrics, bandWidth);
}

/** Sums windows up into buckets of `stepMs`. */
export class Buckets {
  readonly #buckets = new Map<number, { sum: Record<Resource, number>; bucket: HistoryBucket }>();
  readonly #stepMs: number;
  readonly #judge: (window: StoredWindow) => boolean;

  constructor(stepMs: number, bandWidth: number) {
    this.#stepMs = stepMs;
    this.#judge = judgeStored(bandWidth);
  }

  add(window: StoredWindow): void {
    const at = Math.ceil(window.endedAt / this.#stepMs) * this.#stepMs;
    let known = this.#buckets.get(at);
    if (!known) {
      const { cpu, io, memory } = window.metrics;
      const bucket = { at, windows: 0, inBand: 0, ran: 0, cpu: { ...cpu }, io: { ...io }, memory: { ...memory } };
      known = { sum: { cpu: 0, io: 0, memory: 0 }, bucket };
      this.#buckets.set(at, known);
    }
    const { sum, bucket } = known;
    bucket.windows++;
    bucket.ran += ranIn(window);
    if (this.#judge(window)) bucket.inBand++;
    for (const resource of resources) {
      const { average, min, max } = window.metrics[resource];
      sum[resource] += average;
      const band = bucket[resource];
      band.average = sum[resource] / bucket.windows;
      band.min = Math.min(band.min, min);
      band.max = Math.max(band.max, max);
    }
  }

  list(): HistoryBucket[] {
    return Array.from(this.#buckets.values(), ({ bucket }) => bucket).sort((a, b) => a.at - b.at);
  }
}
