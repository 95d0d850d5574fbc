/**
 * What a window's minimum and maximum say of its ticks' sums, which are believed to be normal: each lies in [min, max],
 * some tick's is max, and some tick's is min. An extreme is the rounded sum of a tick, or the sum itself once costs are
 * known to be integers.
 */
import { type Assumptions, doubt } from "./average.ts";
import { cumulative, density, Mixture, type Moments, observe, truncate } from "./normal.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Sums of integers: variance and half width that are allowed for costs still near to theirs only. */
const integerNoise = 0.01;
const integerSlack = 0.3;
/** Half of what is rounded to one integer. */
const rounding = 0.5;

export class Extremes {
  readonly assumptions: Assumptions;
  /** The tilted moments that the last call left. */
  readonly result: Moments = { mass: 0, mean: 0, variance: 0 };
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
  /** Sums over ticks of `asMax` and `asMin`, and logs of the probability that all ticks keep below and above. */
  #sums = { max: 0, min: 0, below: 0, above: 0 };
  #marked = { ticks: 0, sums: this.#sums };
  #trustMax = 1;
  #trustMin = 1;

  constructor(assumptions: Assumptions) {
    this.assumptions = assumptions;
  }

  /** Begins a window; `rate`: expected number of unseen executions in a tick. */
  begin(min: number, max: number, rate: number): void {
    this.#ticks = 0;
    this.#min = min;
    this.#max = max;
    this.#lacking = 1 - math.exp(-rate);
    this.#sums = { max: 0, min: 0, below: 0, above: 0 };
  }

  /**
   * Adds a tick, its sum believed to be N(mean, variance). The probability that it is the one with the extreme is
   * proportional to its density there times that of all others keeping within it.
   */
  add(mean: number, variance: number): void {
    const k = this.#ticks++;
    if (k >= this.#mean.length) this.#grow();
    const { execution, integer } = this.assumptions;
    const lacking = this.#lacking;
    const slack = integer ? integerSlack : rounding;
    const sd = math.sqrt(variance + (integer ? integerNoise : 0));
    const wide = math.sqrt(variance + execution.variance);
    const below = math.max(cumulative((this.#max + slack - mean) / sd), 1e-12);
    const above = math.max((1 - lacking) * cumulative((mean - this.#min + slack) / sd) + lacking, 1e-12);
    const at = (extreme: number) => {
      const away = extreme - mean;
      const complete = integer
        ? density(away / sd) / sd
        : math.max(cumulative((away + rounding) / sd) - cumulative((away - rounding) / sd), 0);
      return (1 - lacking) * complete + (lacking * density((away - execution.mean) / wide)) / wide;
    };
    const asMax = at(this.#max) / below;
    const asMin = at(this.#min) / above;
    this.#mean[k] = mean;
    this.#variance[k] = variance;
    this.#asMax[k] = asMax;
    this.#asMin[k] = asMin;
    this.#sums.max += asMax;
    this.#sums.min += asMin;
    this.#sums.below += math.log(below);
    this.#sums.above += math.log(above);
  }

  /** Remembers the ticks added so far; `rewind` goes back to them. */
  mark(): void {
    this.#marked = { ticks: this.#ticks, sums: { ...this.#sums } };
  }

  rewind(): void {
    this.#ticks = this.#marked.ticks;
    Object.assign(this.#sums, this.#marked.sums);
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

  meanOf(k: number): number {
    return this.#mean[k] ?? 0;
  }

  varianceOf(k: number): number {
    return this.#variance[k] ?? 1;
  }

  /** Weighs minimum and maximum in the light of the ticks added; returns the log of their probability. */
  weigh(trust: number): number {
    const { max, min, below, above } = this.#sums;
    const probabilityMax = trust * max * math.exp(below);
    const probabilityMin = trust * min * math.exp(above);
    const nothing = (doubt + 1 - trust) / (this.#max + 1);
    this.#trustMax = probabilityMax / (probabilityMax + nothing);
    this.#trustMin = probabilityMin / (probabilityMin + nothing);
    return math.log(probabilityMax + nothing) + math.log(probabilityMin + nothing);
  }

  /** Leaves in `result` what minimum and maximum, as weighed, say of the k-th tick added. */
  tick(k: number): void {
    const m = this.meanOf(k);
    const v = this.varianceOf(k);
    const { max, min } = this.#sums;
    let asMax = max > 0 ? (this.#trustMax * (this.#asMax[k] ?? 0)) / max : 0;
    let asMin = min > 0 ? (this.#trustMin * (this.#asMin[k] ?? 0)) / min : 0;
    const both = math.max(asMax + asMin, 1);
    asMax /= both;
    asMin /= both;
    const mixture = this.#mixture;
    mixture.reset(m);
    this.#addExtreme(asMax, m, v, this.#max);
    this.#addExtreme(asMin, m, v, this.#min);
    const neither = 1 - asMax - asMin;
    if (neither > 1e-9) {
      const trust = math.min(this.#trustMax, this.#trustMin);
      const slack = this.assumptions.integer ? integerSlack : rounding;
      const part = this.#part;
      const sd = math.sqrt(v);
      truncate(m, sd, this.#min - slack, this.#max + slack, part);
      const complete = (1 - this.#lacking) * part.mass;
      const { mean, variance } = part;
      truncate(m, sd, Number.NEGATIVE_INFINITY, this.#max + slack, part);
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
    const { execution, integer } = this.assumptions;
    const part = this.#part;
    if (integer) observe(m, v, extreme, integerNoise, part);
    else truncate(m, math.sqrt(v), extreme - rounding, extreme + rounding, part);
    const complete = (1 - this.#lacking) * part.mass;
    const { mean, variance } = part;
    const lacking = this.#lacking * observe(m, v, extreme - execution.mean, execution.variance, part);
    const both = complete + lacking + 1e-300;
    this.#mixture.add((p * complete) / both, mean, variance);
    this.#mixture.add((p * lacking) / both, part.mean, part.variance);
  }
}
