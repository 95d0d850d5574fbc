import { Histogram, judgeWindow, percentile, type WindowJudgement } from "../../core/workload/measures.ts";
import type { TickEvent } from "../../platform/wire.ts";

const minuteMs = 60_000;
const keptMinutes = 10;
const keptPlans = 600;

interface Minute {
  readonly startsAt: number;
  readonly delays: Histogram;
  placements: number;
  late: number;
}

/** Keeps what the status page shows: in-band share, delays, late share and planning time of the last ten minutes. */
export class Tracker {
  #windows: (WindowJudgement & { readonly at: number })[] = [];
  #minutes: Minute[] = [];
  #planMs: number[] = [];
  #backlog = 0;
  #ran = 0;
  #waited = false;
  placements = 0;

  /** After a `hello`: `waiting` executions wait. */
  begin(waiting: number): void {
    this.#backlog = waiting;
    this.#ran = 0;
    this.#waited = waiting > 0;
  }

  tick(event: TickEvent, now: number, bandWidth: number): void {
    this.#waited ||= this.#backlog > 0;
    this.#ran += event.executed.length;
    this.#backlog += event.arrived.length - event.executed.length;
    const { delays } = this.#minute(now);
    for (const { arrivedTick } of event.executed) delays.add(Math.max(0, event.tick - arrivedTick));
    if (!event.window) return;
    this.#windows.push({ at: now, ...judgeWindow(event.window.metrics, this.#ran, this.#waited, bandWidth) });
    this.#windows = this.#windows.filter(({ at }) => at > now - keptMinutes * minuteMs);
    this.#ran = 0;
    this.#waited = false;
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
    const seconds = (share: number) => ((delays.percentile(share) ?? 0) * tickMs) / 1_000;
    const plans = this.#planMs.toSorted((a, b) => a - b);
    const inBand = (windows: readonly WindowJudgement[]) =>
      windows.length === 0 ? null : windows.filter((window) => window.inBand).length / windows.length;
    return {
      lateShare: placements === 0 ? null : late / placements,
      planMs: plans.length === 0 ? null : { p50: percentile(plans, 0.5) ?? 0, p99: percentile(plans, 0.99) ?? 0 },
      inBand: {
        lastMinute: inBand(this.#windows.filter(({ at }) => at > now - minuteMs)),
        last10Minutes: inBand(this.#windows),
      },
      delaySeconds:
        delays.total === 0 ? null : { p50: seconds(0.5), p95: seconds(0.95), p99: seconds(0.99), max: seconds(1) },
    };
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
