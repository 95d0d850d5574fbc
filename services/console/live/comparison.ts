import { Histogram, percentile } from "../../../core/workload/measures.ts";
import { resources } from "../../../core/workload/types.ts";
import type { Figures, WindowPoint } from "../contract/live.ts";
import { summarize } from "./delays.ts";

/** Of windows of a second: ten minutes. */
const keptWindows = 600;
/** What ran soon after the switch was still placed by the way before it. */
const settlingMs = 10_000;

/** Figures of the last ten minutes with a scheduler that steers, and without one. */
export class Comparison {
  readonly #kept = { on: [] as Kept[], off: [] as Kept[] };
  #steered: boolean | null = null;
  #switchedAt = Number.NEGATIVE_INFINITY;

  add(window: WindowPoint, delays: Histogram): void {
    if (window.steered !== this.#steered) {
      if (this.#steered !== null) this.#switchedAt = window.at;
      this.#steered = window.steered;
    }
    if (window.steered === null || window.at < this.#switchedAt + settlingMs) return;
    const kept = this.#kept[window.steered ? "on" : "off"];
    kept.push({ window, delays });
    if (kept.length > keptWindows) kept.shift();
  }

  figures(tickMs: number): { on: Figures | null; off: Figures | null } {
    return { on: figuresOf(this.#kept.on, tickMs), off: figuresOf(this.#kept.off, tickMs) };
  }
}

interface Kept {
  readonly window: WindowPoint;
  readonly delays: Histogram;
}

function figuresOf(kept: readonly Kept[], tickMs: number): Figures | null {
  const [first, last] = [kept[0], kept.at(-1)];
  if (!first || !last) return null;
  const delays = new Histogram();
  for (const one of kept) delays.merge(one.delays);
  const windows = kept.map(({ window }) => window);
  return {
    from: first.window.at,
    to: last.window.at,
    windows: windows.length,
    inBand: windows.filter(({ inBand }) => inBand).length / windows.length,
    deviation:
      percentile(
        windows.map(({ deviation }) => deviation).sort((a, b) => a - b),
        0.5,
      ) ?? 0,
    peakToMean: Math.max(...resources.map((resource) => peakToMean(windows.map((window) => window[resource])))),
    delay: summarize(delays, tickMs),
  };
}

function peakToMean(bands: readonly { readonly average: number; readonly max: number }[]): number {
  const mean = bands.reduce((sum, { average }) => sum + average, 0) / bands.length;
  const peaks = bands.map(({ max }) => max).sort((a, b) => a - b);
  return mean === 0 ? 0 : (percentile(peaks, 0.99) ?? 0) / mean;
}
