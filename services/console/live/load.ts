/** What the server's events say of the load: an hour of windows and delays, and what ran when. */
import { Histogram, mean } from "../../../core/workload/measures.ts";
import type { HelloEvent, TickEvent } from "../../../platform/wire.ts";
import type { LiveState, WindowPoint } from "../contract/live.ts";
import { Comparison } from "./comparison.ts";
import { bucketsOf, DelayLog, summarize } from "./delays.ts";
import { ExecutionLog } from "./executions.ts";
import { Traffic } from "./traffic.ts";
import { type ClosedWindow, WindowLog } from "./windows.ts";

const minuteMs = 60_000;

export class Load {
  readonly executions = new ExecutionLog();
  readonly traffic = new Traffic();
  readonly #windows = new WindowLog();
  readonly #delays = new DelayLog();
  readonly #comparison = new Comparison();
  /** Since the last window closed. */
  #ran = 0;
  #waited = false;
  #windowDelays = new Histogram();
  /** Where executions last: the CPU of its ticks so far. */
  #spread = false;
  #cpu: number[] = [];

  get bandWidth(): number {
    return this.#windows.bandWidth;
  }

  /** Half width of the band; every window is judged by it anew. */
  set bandWidth(width: number) {
    this.#windows.bandWidth = width;
  }

  begin(hello: HelloEvent): void {
    this.executions.begin(hello);
    this.#spread = hello.spread ?? false;
    this.#startWindow(hello.queue.length > 0);
  }

  /** `steered`: whether a scheduler steers; null where that is not known. */
  tick(event: TickEvent, steered: boolean | null): void {
    this.#waited ||= (this.executions.waiting ?? 0) > 0;
    this.executions.tick(event);
    this.#ran += event.executed.length;
    for (const { queryId, arrivedTick } of event.executed) {
      const delayTicks = Math.max(0, event.tick - arrivedTick);
      this.#delays.add(event.at, delayTicks);
      this.#windowDelays.add(delayTicks);
      this.traffic.add(queryId, event.at, delayTicks);
    }
    this.#cpu.push(event.usage?.cpu ?? 0);
    if (!event.window) return;
    this.#windows.add({
      at: event.at,
      metrics: event.window.metrics,
      ran: this.#ran,
      waited: this.#waited,
      waiting: this.executions.waiting,
      steered,
      ...(this.#spread && { cpu: mean(this.#cpu) }),
    });
    const point = this.#windows.since(event.at - 1)[0];
    if (point) this.#comparison.add(point, this.#windowDelays);
    this.#startWindow(false);
  }

  /** Windows of before those that are here, oldest first, as the table has them. */
  prepend(windows: readonly ClosedWindow[]): void {
    this.#windows.prepend(windows);
  }

  windowsSince(ms: number): WindowPoint[] {
    return this.#windows.since(ms);
  }

  /** At `at` (Unix ms). */
  figures(at: number, tickMs: number): Pick<LiveState, "inBand" | "delay" | "comparison"> {
    const minutes = (count: number) => at - count * minuteMs;
    const tenMinutes = this.#delays.since(minutes(10));
    return {
      inBand: {
        minute: this.#windows.inBandSince(minutes(1)),
        tenMinutes: this.#windows.inBandSince(minutes(10)),
        hour: this.#windows.inBandSince(minutes(60)),
      },
      delay: {
        minute: summarize(this.#delays.since(minutes(1)), tickMs),
        tenMinutes: summarize(tenMinutes, tickMs),
        hour: summarize(this.#delays.since(minutes(60)), tickMs),
        buckets: bucketsOf(tenMinutes, tickMs),
      },
      comparison: this.#comparison.figures(tickMs),
    };
  }

  #startWindow(waited: boolean): void {
    this.#ran = 0;
    this.#waited = waited;
    this.#cpu = [];
    this.#windowDelays = new Histogram();
  }
}
