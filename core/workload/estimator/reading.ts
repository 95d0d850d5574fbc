/**
 * What one window says of sums that are believed to be normal: the statement's probability, and the sums' moments once
 * it is known (the "tilted" moments of expectation propagation). A window of n ticks states that its sum lies in
 * [n average, n average + n - 1] (the floor as an interval), that each tick's sum lies in [min, max], that some tick's
 * sum is max, and that some tick's is min.
 *
 * Executions may have run unseen (a Poisson number, each costing what executions cost on average), which only adds to
 * what the server reports; and with a small probability the window states nothing.
 */
import { cumulative, density, Mixture, type Moments, truncate } from "./normal.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** What is taken for granted while windows are read. */
export interface Assumptions {
  /** Costs are integers. */
  integer: boolean;
  /** Executions that ran unseen, per one seen. */
  unseen: number;
  /** Mean and variance of an execution's cost. */
  readonly execution: { mean: number; variance: number };
}

/** The probability that a window states nothing although its bounds are right. */
const doubt = 1e-4;
export const mostUnseen = 3;
/** The probability that a window's sum is off by some, and by how much, in costs of an execution. */
const slip = 0.003;
const slipBy = 0.3;

function poisson(rate: number, k: number): number {
  let p = math.exp(-rate);
  for (let i = 1; i <= k; i++) p *= rate / i;
  return p;
}

const nothingElsewhere = new Float64Array(mostUnseen + 1).fill(1);

export class Reading {
  readonly assumptions: Assumptions;
  /** The tilted moments that the last call left. */
  readonly result: Moments = { mass: 0, mean: 0, variance: 0 };
  /** After `average`: expected number of unseen executions, and the probability that the window states nothing. */
  unseen = 0;
  doubted = 0;
  /** After `average`: its likelihood had 0, 1, ... executions run unseen. */
  readonly likelihood = new Float64Array(mostUnseen + 1);
  readonly #mixture = new Mixture();
  readonly #part: Moments = { mass: 0, mean: 0, variance: 0 };
  // Of the window's ticks: their sums as believed, and how likely each is the one with the maximum or the minimum.
  #mean = new Float64Array(16);
  #variance = new Float64Array(16);
  #asMax = new Float64Array(16);
  #asMin = new Float64Array(16);
  #ticks = 0;
  #min = 0;
  #max = 0;
  #lacking = 0;
  #trustMax = 1;
  #trustMin = 1;

  constructor(assumptions: Assumptions) {
    this.assumptions = assumptions;
  }

  /**
   * Reads a window's average, its sum believed to be N(mean, variance).
   * @param trust probability that the window's bounds are right
   * @param elsewhere likelihood of 0, 1, ... unseen executions by the window's other resources
   * @returns log of the probability of the average
   */
  average(
    mean: number,
    variance: number,
    window: { readonly average: number; readonly ticks: number; readonly executions: number; readonly trust: number },
    elsewhere: Float64Array = nothingElsewhere,
  ): number {
    const { integer, unseen, execution } = this.assumptions;
    const { average, ticks, executions, trust } = window;
    const low = ticks * average - (integer ? 0.5 : 0);
    const high = low + ticks;
    const middle = (low + high) / 2;
    const rate = unseen * executions;
    const mixture = this.#mixture;
    const part = this.#part;
    mixture.reset(mean);
    truncate(mean, math.sqrt(variance), low, high, part);
    this.likelihood[0] = trust * part.mass;
    let all = trust * poisson(rate, 0) * (elsewhere[0] ?? 1) * part.mass;
    mixture.add(all, part.mean, part.variance);
    this.unseen = 0;
    for (let k = 1; k <= mostUnseen; k++) {
      const noise = k * execution.variance + (ticks * ticks) / 12;
      const likelihood = trust * ticks * this.#observe(mean, variance, middle - k * execution.mean, noise);
      this.likelihood[k] = likelihood;
      const mass = poisson(rate, k) * (elsewhere[k] ?? 1) * likelihood;
      mixture.add(mass, part.mean, part.variance);
      all += mass;
      this.unseen += k * mass;
    }
    // What the other resources say of unseen executions is no reason to doubt the window.
    let possible = 0;
    for (let k = 0; k <= mostUnseen; k++) possible += poisson(rate, k) * (elsewhere[k] ?? 1);
    let whatever = 0;
    if (trust < 1) {
      // A bound off by one adds or takes what runs in a tick.
      const tick = executions / ticks;
      const noise = 2 * tick * (execution.variance + execution.mean ** 2) + (tick * execution.mean) ** 2;
      const density = (1 - trust) * ticks * this.#observe(mean, variance, middle, noise + (ticks * ticks) / 12);
      mixture.add(possible * density, part.mean, part.variance);
      whatever += density;
    }
    // A sum somewhat off is drawn near gently, as beliefs may be too sure while they settle.
    const noise = (execution.mean * slipBy) ** 2 + (ticks * ticks) / 12;
    const off = slip * ticks * this.#observe(mean, variance, middle, noise);
    mixture.add(possible * off, part.mean, part.variance);
    const nothing = doubt / (average + 1);
    mixture.add(possible * nothing, mean, variance);
    whatever += off + nothing;
    all += possible * whatever;
    for (let k = 0; k <= mostUnseen; k++) this.likelihood[k] = (this.likelihood[k] ?? 0) + whatever;
    this.unseen /= all;
    this.doubted = (possible * (off + nothing)) / all;
    mixture.into(this.result);
    return math.log(all);
  }

  /** Density of N(mean, variance) seen at `x` with variance `noise`; leaves the posterior's moments in `part`. */
  #observe(mean: number, variance: number, x: number, noise: number): number {
    const spread = variance + noise;
    const part = this.#part;
    part.mean = mean + (variance / spread) * (x - mean);
    part.variance = (variance * noise) / spread;
    return density((x - mean) / math.sqrt(spread)) / math.sqrt(spread);
  }

  /** Begins a window's minimum and maximum; `rate`: expected number of unseen executions in a tick. */
  beginExtremes(min: number, max: number, rate: number): void {
    this.#ticks = 0;
    this.#min = min;
    this.#max = max;
    this.#lacking = 1 - math.exp(-rate);
  }

  /** Adds a tick, its sum believed to be N(mean, variance). */
  addTick(mean: number, variance: number): void {
    const k = this.#ticks++;
    if (k >= this.#mean.length) this.#grow();
    this.#mean[k] = mean;
    this.#variance[k] = variance;
  }

  meanOf(k: number): number {
    return this.#mean[k] ?? 0;
  }

  varianceOf(k: number): number {
    return this.#variance[k] ?? 1;
  }

  #grow(): void {
    const grown = (from: Float64Array) => {
      const to = new Float64Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.#mean = grown(this.#mean);
    this.#variance = grown(this.#variance);
    this.#asMax = grown(this.#asMax);
    this.#asMin = grown(this.#asMin);
  }

  get #noise(): number {
    return this.assumptions.integer ? 0.01 : 1 / 12;
  }

  get #slack(): number {
    return this.assumptions.integer ? 0.3 : 0.5;
  }

  /**
   * Weighs which of the added ticks has the maximum and which the minimum: the probability that it is tick k is
   * proportional to its density at the extreme times that of all others keeping within it.
   * @returns log of the probability of minimum and maximum
   */
  weighExtremes(trust: number): number {
    const { execution } = this.assumptions;
    const noise = this.#noise;
    const slack = this.#slack;
    const lacking = this.#lacking;
    const min = this.#min;
    const max = this.#max;
    let sumMax = 0;
    let sumMin = 0;
    let logBelow = 0;
    let logAbove = 0;
    for (let k = 0; k < this.#ticks; k++) {
      const m = this.#mean[k] ?? 0;
      const v = this.#variance[k] ?? 0;
      const sd = math.sqrt(v + noise);
      const wide = math.sqrt(v + execution.variance);
      const below = math.max(cumulative((max + slack - m) / sd), 1e-12);
      const above = math.max((1 - lacking) * cumulative((m - min + slack) / sd) + lacking, 1e-12);
      logBelow += math.log(below);
      logAbove += math.log(above);
      const at = (extreme: number) =>
        ((1 - lacking) * density((extreme - m) / sd)) / sd +
        (lacking * density((extreme - m - execution.mean) / wide)) / wide;
      const asMax = at(max) / below;
      const asMin = at(min) / above;
      this.#asMax[k] = asMax;
      this.#asMin[k] = asMin;
      sumMax += asMax;
      sumMin += asMin;
    }
    const probabilityMax = trust * sumMax * math.exp(logBelow);
    const probabilityMin = trust * sumMin * math.exp(logAbove);
    const nothing = (doubt + 1 - trust) / (max + 1);
    this.#trustMax = probabilityMax / (probabilityMax + nothing);
    this.#trustMin = probabilityMin / (probabilityMin + nothing);
    for (let k = 0; k < this.#ticks; k++) {
      let asMax = sumMax > 0 ? (this.#trustMax * (this.#asMax[k] ?? 0)) / sumMax : 0;
      let asMin = sumMin > 0 ? (this.#trustMin * (this.#asMin[k] ?? 0)) / sumMin : 0;
      const both = math.max(asMax + asMin, 1);
      asMax /= both;
      asMin /= both;
      this.#asMax[k] = asMax;
      this.#asMin[k] = asMin;
    }
    return math.log(probabilityMax + nothing) + math.log(probabilityMin + nothing);
  }

  /** Leaves in `result` what minimum and maximum say of the k-th tick added. */
  tick(k: number): void {
    const m = this.#mean[k] ?? 0;
    const v = this.#variance[k] ?? 1;
    const asMax = this.#asMax[k] ?? 0;
    const asMin = this.#asMin[k] ?? 0;
    const mixture = this.#mixture;
    mixture.reset(m);
    this.#addExtreme(asMax, m, v, this.#max);
    this.#addExtreme(asMin, m, v, this.#min);
    const neither = 1 - asMax - asMin;
    if (neither > 1e-9) {
      const trust = math.min(this.#trustMax, this.#trustMin);
      const part = this.#part;
      const sd = math.sqrt(v);
      truncate(m, sd, this.#min - this.#slack, this.#max + this.#slack, part);
      const complete = (1 - this.#lacking) * part.mass;
      const { mean, variance } = part;
      truncate(m, sd, Number.NEGATIVE_INFINITY, this.#max + this.#slack, part);
      const lacking = this.#lacking * part.mass;
      const weight = (neither * trust) / (complete + lacking);
      mixture.add(weight * complete, mean, variance);
      mixture.add(weight * lacking, part.mean, part.variance);
      mixture.add(neither * (1 - trust), m, v);
    }
    mixture.into(this.result);
  }

  /** Adds the case, of probability `p`, that the tick's sum is `extreme`, all of it seen or not. */
  #addExtreme(p: number, m: number, v: number, extreme: number): void {
    if (p < 1e-12) return;
    const { execution } = this.assumptions;
    const part = this.#part;
    const complete = (1 - this.#lacking) * this.#observe(m, v, extreme, this.#noise);
    const { mean, variance } = part;
    const lacking = this.#lacking * this.#observe(m, v, extreme - execution.mean, execution.variance);
    const both = complete + lacking + 1e-300;
    this.#mixture.add((p * complete) / both, mean, variance);
    this.#mixture.add((p * lacking) / both, part.mean, part.variance);
  }
}
