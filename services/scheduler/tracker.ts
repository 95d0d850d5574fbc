import { Histogram, judgeWindow, percentile, SecondJudge } from "../../core/workload/measures.ts";
import type { WindowRecord } from "../../platform/scheduler-status.ts";
import type { TickEvent } from "../../platform/wire.ts";

const minuteMs = 60_000;
const keptMinutes = 10;
const keptWindowsMs = 60 * minuteMs;
const mostWindows = 3_600;
const keptPlans = 600;

interface Minute {
  readonly startsAt: number;
  readonly delays: Histogram;
  placements: number;
  late: number;
}

/** Keeps what the status page shows: windows of the last hour; delays, late share and planning time of ten minutes. */
export class Tracker {
  #windows: WindowRecord[] = [];
  #minutes: Minute[] = [];
  #planMs: number[] = [];
  #backlog = 0;
  #waited = false;
  /** Delays, in ticks, of what ran in the window so far. */
  #ran: number[] = [];
  /** Where executions last: the CPU of the window so far. */
  #spread = false;
  #used = 0;
  readonly #seconds = new SecondJudge();
  placements = 0;

  /** After a `hello`: `waiting` executions wait. @param spread whether executions last longer than a tick */
  begin(waiting: number, spread = false): void {
    this.#spread = spread;
    this.#used = 0;
    this.#backlog = waiting;
    this.#ran = [];
    this.#waited = waiting > 0;
  }

  tick(event: TickEvent, now: number, bandWidth: number, tickMs: number): void {
    this.#waited ||= this.#backlog > 0;
    // What could not be delayed arrived in the tick in which it ran, and was never told to wait.
    const waited = event.executed.filter(({ arrivedTick }) => arrivedTick < event.tick);
    this.#backlog += event.arrived.length - waited.length;
    const { delays } = this.#minute(now);
    for (const { arrivedTick } of waited) {
      const delay = event.tick - arrivedTick;
      delays.add(delay);
      this.#ran.push(delay);
    }
    this.#used += event.usage?.cpu ?? 0;
    if (event.window) this.#closeWindow(event.tick, event.window.metrics, now, bandWidth, tickMs);
  }

  answered(placements: number, late: number, now: number): void {
    this.placements += placements;
    const minute = this.#minute(now);
    minute.placements += placements;
    minute.late += late;
  }

  planned(ms: number): void {
    this.#planMs.push(ms);
    if (this.#planMs.length > keptPlans) this.#planMs.shift();
  }

  /** @param since only windows that ended after this Unix time in ms; without it, the last 60 */
  windows(since?: number): WindowRecord[] {
    return since === undefined ? this.#windows.slice(-60) : this.#windows.filter(({ endedAt }) => endedAt > since);
  }

  summary(now: number, tickMs: number) {
    this.#minute(now);
    const delays = new Histogram();
    let placements = 0;
    let late = 0;
    for (const minute of this.#minutes) {
      delays.merge(minute.delays);
      placements += minute.placements;
      late += minute.late;
    }
    const seconds = (ticks: number | undefined) => ((ticks ?? 0) * tickMs) / 1_000;
    const at = (share: number) => seconds(delays.percentile(share));
    const plans = this.#planMs.toSorted((a, b) => a - b);
    const inBand = (minutes: number) => this.inBand(now, minutes);
    return {
      lateShare: placements === 0 ? null : late / placements,
      planMs: plans.length === 0 ? null : { p50: percentile(plans, 0.5) ?? 0, p99: percentile(plans, 0.99) ?? 0 },
      inBand: { lastMinute: inBand(1), last10Minutes: inBand(10), lastHour: inBand(60) },
      delaySeconds:
        delays.total === 0
          ? null
          : { mean: seconds(delays.mean()), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
    };
  }

  /** Share of the last minutes' windows in band; null while none closed. */
  inBand(now: number, minutes = keptMinutes): number | null {
    const since = this.#windows.findLastIndex(({ endedAt }) => endedAt <= now - minutes * minuteMs) + 1;
    const windows = this.#windows.slice(since);
    return windows.length === 0 ? null : windows.filter((window) => window.inBand).length / windows.length;
  }

  #closeWindow(lastTick: number, metrics: WindowRecord["metrics"], now: number, bandWidth: number, tickMs: number) {
    const p95 = percentile(
      this.#ran.toSorted((a, b) => a - b),
      0.95,
    );
    const ran = this.#ran.length;
    const { inBand, idle, deviation } = this.#spread
      ? this.#seconds.judge(this.#used, ran, this.#waited, bandWidth)
      : judgeWindow(metrics, ran, this.#waited, bandWidth);
    this.#windows.push({
      endedAt: now,
      lastTick,
      inBand,
      idle,
      deviation,
      ran,
      backlog: this.#backlog,
      delayP95Seconds: p95 === undefined ? null : (p95 * tickMs) / 1_000,
      metrics,
    });
    const [oldest] = this.#windows;
    if (oldest && (this.#windows.length > mostWindows || oldest.endedAt <= now - keptWindowsMs))
      this.#windows = this.#windows.slice(-mostWindows).filter(({ endedAt }) => endedAt > now - keptWindowsMs);
    this.#ran = [];
    this.#used = 0;
    this.#waited = false;
  }

  /** Executions per second over the last minutes; undefined before half a minute has passed. */
  rate(now: number): number | undefined {
    const [first] = this.#minutes;
    const seconds = first ? (now - first.startsAt) / 1_000 : 0;
    if (seconds < 30) return undefined;
    return this.#minutes.reduce((sum, { delays }) => sum + delays.total, 0) / seconds;
  }

  /** The bucket of `now`, after older ones than ten minutes have gone. */
  #minute(now: number): Minute {
    this.#minutes = this.#minutes.filter(({ startsAt }) => startsAt > now - keptMinutes * minuteMs);
    const last = this.#minutes.at(-1);
    if (last && now < last.startsAt + minuteMs) return last;
    const minute: Minute = { startsAt: now, delays: new Histogram(), placements: 0, late: 0 };
    this.#minutes.push(minute);
    return minute;
  }
}
