import { judgeWindow, SecondJudge } from "../../../core/workload/measures.ts";
import type { Metrics } from "../../../platform/wire.ts";
import type { WindowPoint } from "../contract/live.ts";

export const hourMs = 3_600_000;
/** Of windows of half a second: what the log holds at most. */
const mostWindows = 7_200;

export interface ClosedWindow {
  readonly at: number;
  readonly metrics: Metrics;
  readonly ran: number;
  readonly waited: boolean;
  readonly waiting: number | null;
  readonly steered: boolean | null;
  /** Where executions last: the mean CPU of its ticks, unrounded. */
  readonly cpu?: number | undefined;
}

/** The last hour's windows, oldest first. */
export class WindowLog {
  #points: WindowPoint[] = [];
  /** Half width of the band. */
  #bandWidth = 0.1;
  #seconds = new SecondJudge();

  get bandWidth(): number {
    return this.#bandWidth;
  }

  /** Judges every window anew: the shares shown always mean the band shown. */
  set bandWidth(width: number) {
    if (width === this.#bandWidth) return;
    this.#bandWidth = width;
    this.#points = this.#points.map((point) => ({
      ...point,
      ...(point.level === null
        ? judgeWindow(point, point.ran, point.idle, width)
        : { inBand: point.deviation <= width }),
    }));
  }

  add({ at, metrics, ran, waited, waiting, steered, cpu }: ClosedWindow): void {
    const last = this.#points.at(-1);
    if (last && at <= last.at) return;
    const judgement =
      cpu === undefined
        ? { ...judgeWindow(metrics, ran, waited, this.#bandWidth), level: null }
        : this.#seconds.judge(cpu, ran, waited, this.#bandWidth);
    const point = { at, ...metrics, ran, waiting, steered, ...judgement };
    this.#points.push(point);
    const from = at - hourMs;
    const old = this.#points.findIndex((known) => known.at > from);
    const over = Math.max(old, this.#points.length - mostWindows);
    if (over > 0) this.#points.splice(0, over);
  }

  /** Windows of before those that are here, oldest first, as the table has them. */
  prepend(windows: readonly ClosedWindow[]): void {
    const later = this.#points;
    const first = later[0]?.at ?? Number.POSITIVE_INFINITY;
    this.#points = [];
    for (const window of windows) if (window.at < first) this.add(window);
    this.#points = [...this.#points, ...later].slice(-mostWindows);
  }

  /** Those that ended after `ms` (Unix). */
  since(ms: number): WindowPoint[] {
    const first = this.#points.findIndex(({ at }) => at > ms);
    return first < 0 ? [] : this.#points.slice(first);
  }

  /** Share in band of those that ended after `ms`; null when there is none. */
  inBandSince(ms: number): number | null {
    const windows = this.since(ms);
    return windows.length === 0 ? null : windows.filter(({ inBand }) => inBand).length / windows.length;
  }
}
