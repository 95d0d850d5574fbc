import { Histogram, judgeWindow, percentile } from "../measures.ts";
import type { Band, Resource, Triple } from "../types.ts";

/** What a policy makes of traffic; the same measures as `bench smoothing`. Delays in seconds, shares of windows. */
export interface Measures {
  readonly windows: number;
  /** Null without windows. */
  readonly inBand: number | null;
  readonly idleShare: number | null;
  readonly deviationP95: number | null;
  readonly arrived: number;
  readonly executed: number;
  readonly waitingEnd: number;
  /** Of what ran, and of what still waits with its age so far; null when there was neither. */
  readonly delayMean: number | null;
  readonly delayP50: number | null;
  readonly delayP95: number | null;
  readonly delayP99: number | null;
  readonly delayMax: number | null;
  /** The 99th percentile of a tick's usage over its mean, of the worst resource; null when nothing ran or it is not known. */
  readonly peakToMean: number | null;
  /** The most that could have fallen due in one later tick had the scheduler died, in mean ticks of the worst resource. */
  readonly burst: number | null;
}

/** Adds up what happens, tick by tick and window by window. */
export class Tally {
  readonly #tickMs: number;
  readonly #bandWidth: number;
  readonly #delays = new Histogram();
  readonly #deviations: number[] = [];
  readonly #usages: [number[], number[], number[]] = [[], [], []];
  readonly #bursts: [number, number, number] = [0, 0, 0];
  #arrived = 0;
  #executed = 0;
  #waiting = 0;
  #inBand = 0;
  #idle = 0;

  constructor(tickMs: number, bandWidth: number) {
    this.#tickMs = tickMs;
    this.#bandWidth = bandWidth;
  }

  arrived(count: number): void {
    this.#arrived += count;
  }

  executed(delayTicks: number): void {
    this.#executed++;
    this.#delays.add(Math.max(0, delayTicks));
  }

  stillWaits(ageTicks: number): void {
    this.#waiting++;
    this.#delays.add(Math.max(0, ageTicks));
  }

  used(usage: Triple): void {
    for (const r of [0, 1, 2] as const) this.#usages[r].push(usage[r]);
  }

  couldFallDue(usage: Triple): void {
    for (const r of [0, 1, 2] as const) this.#bursts[r] = Math.max(this.#bursts[r], usage[r]);
  }

  /** @param ran executions in the window; `waited`: whether one waited before any of its ticks */
  window(metrics: Readonly<Record<Resource, Band>>, ran: number, waited: boolean): void {
    const { inBand, idle, deviation } = judgeWindow(metrics, ran, waited, this.#bandWidth);
    this.#inBand += Number(inBand);
    this.#idle += Number(idle);
    this.#deviations.push(deviation);
  }

  result(): Measures {
    const windows = this.#deviations.length;
    const share = (count: number) => (windows === 0 ? null : count / windows);
    const seconds = (ticks: number | undefined) => (ticks === undefined ? null : (ticks * this.#tickMs) / 1_000);
    const at = (part: number) => seconds(this.#delays.percentile(part));
    const ascending = this.#usages.map((usages) => usages.toSorted((a, b) => a - b));
    const means = ascending.map((usages) => usages.reduce((sum, usage) => sum + usage, 0) / usages.length);
    const overMean = (values: readonly (number | undefined)[]) => {
      const known = values.flatMap((value, r) =>
        value !== undefined && (means[r] ?? 0) > 0 ? value / (means[r] ?? 0) : [],
      );
      return known.length === 0 ? null : Math.max(...known);
    };
    return {
      windows,
      inBand: share(this.#inBand),
      idleShare: share(this.#idle),
      deviationP95:
        percentile(
          this.#deviations.toSorted((a, b) => a - b),
          0.95,
        ) ?? null,
      arrived: this.#arrived,
      executed: this.#executed,
      waitingEnd: this.#waiting,
      delayMean: seconds(this.#delays.mean()),
      delayP50: at(0.5),
      delayP95: at(0.95),
      delayP99: at(0.99),
      delayMax: at(1),
      peakToMean: overMean(ascending.map((usages) => percentile(usages, 0.99))),
      burst: overMean(this.#bursts),
    };
  }
}
