/** The measures that bench, scheduler and console share: share of windows in band, and delays. */
import { type Band, type CostEstimate, type Resource, resources } from "./types.ts";

type Metrics = Readonly<Record<Resource, Band>>;

/** Whether every tick of the window lies within `width` (relative) of the window's average, for all three resources. */
export function isInBand(metrics: Metrics, width = 0.1): boolean {
  return resources.every((resource) => {
    const { average, min, max } = metrics[resource];
    return min >= (1 - width) * average && max <= (1 + width) * average;
  });
}

/** The largest distance of a tick from its window's average, relative, over the three resources; 1 when a tick ran though the average is 0. */
export function deviation(metrics: Metrics): number {
  return Math.max(
    ...resources.map((resource) => {
      const { average, min, max } = metrics[resource];
      if (average === 0) return max > 0 ? 1 : 0;
      return Math.max(average - min, max - average) / average;
    }),
  );
}

export interface WindowJudgement {
  readonly inBand: boolean;
  /** Nothing ran in the window though queries waited. */
  readonly idle: boolean;
  readonly deviation: number;
}

/**
 * Judges a window as the requirements do.
 * @param ran executions in the window
 * @param waited whether an execution waited before any of its ticks
 */
export function judgeWindow(metrics: Metrics, ran: number, waited: boolean, width = 0.1): WindowJudgement {
  if (ran === 0 && waited) return { inBand: false, idle: true, deviation: 1 };
  return { inBand: isInBand(metrics, width), idle: false, deviation: deviation(metrics) };
}

/**
 * Where executions last longer than a tick, a second (window) is in band when its CPU lies within `width` (relative) of
 * the mean of all seconds of the same phase of a run in which work waited or ran.
 */
export function isLevel(usage: number, mean: number, width = 0.1): boolean {
  return Math.abs(usage - mean) <= width * mean;
}

/** The mean that a judge of seconds goes by is of about so many. */
const meanGain = 1 / 120;

/** Judges second after second where executions last: against the mean of those before, since what is to come cannot count yet. */
export class SecondJudge {
  #mean = 0;
  #active = 0;

  /**
   * @param used CPU of the second, in any unit that stays
   * @param ran executions that began in it
   * @param waited whether an execution waited in it
   * @returns also the mean that it was judged by
   */
  judge(used: number, ran: number, waited: boolean, width = 0.1): WindowJudgement & { readonly level: number } {
    if (waited || ran > 0) this.#mean += (used - this.#mean) * Math.max(meanGain, 1 / ++this.#active);
    const level = this.#mean;
    const deviation = level > 0 ? Math.abs(used - level) / level : 0;
    return { inBand: isLevel(used, level, width), idle: ran === 0 && waited, deviation, level };
  }
}

/** The share of seconds in band; undefined of none. `usages`: the CPU of each second in which work waited or ran. */
export function levelShare(usages: readonly number[], width = 0.1): number | undefined {
  if (usages.length === 0) return undefined;
  const level = mean(usages);
  return usages.filter((usage) => isLevel(usage, level, width)).length / usages.length;
}

/**
 * The load that executions of a cost cause, for comparing queries of one server: the sum over the resources; where
 * executions last, whose resources have units of their own, the CPU, which is what is levelled there.
 */
export function loadOf({ mean, durationMs }: Pick<CostEstimate, "mean" | "durationMs">): number {
  const [cpu, io, memory] = mean;
  return durationMs === undefined ? Math.max(0, cpu + io + memory) : Math.max(0, cpu);
}

/** 0 of none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Value at `share` (0 to 1) of ascending values, by the nearest-rank method; undefined when there are none. */
export function percentile(ascending: readonly number[], share: number): number | undefined {
  return ascending[Math.min(ascending.length - 1, Math.max(0, Math.ceil(share * ascending.length) - 1))];
}

/** Counts of whole numbers (delays in ticks), for percentiles without keeping each value. */
export class Histogram {
  readonly #counts: number[] = [];
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(value: number): void {
    this.#counts[value] = (this.#counts[value] ?? 0) + 1;
    this.#total++;
  }

  merge(other: Histogram): void {
    for (const value in other.#counts) this.#counts[value] = (this.#counts[value] ?? 0) + (other.#counts[value] ?? 0);
    this.#total += other.#total;
  }

  /** Undefined when empty. */
  mean(): number | undefined {
    if (this.#total === 0) return undefined;
    return this.#counts.reduce((sum, count, value) => sum + count * value, 0) / this.#total;
  }

  /** Each value that was added, ascending, with its count. */
  *entries(): Generator<[value: number, count: number]> {
    for (const value in this.#counts) yield [Number(value), this.#counts[value] ?? 0];
  }

  /** By the nearest-rank method; undefined when empty. `share` 1 is the maximum. */
  percentile(share: number): number | undefined {
    let rank = Math.max(1, Math.ceil(share * this.#total));
    for (const value in this.#counts) {
      rank -= this.#counts[value] ?? 0;
      if (rank <= 0) return Number(value);
    }
    return undefined;
  }
}
