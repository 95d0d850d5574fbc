/**
 * Expectation propagation for one resource (Minka, Expectation Propagation for Approximate Bayesian Inference, 2001):
 * what each window says is replaced by Gaussian factors on its sums, each matched to the moments of the exact
 * statement in the light of all others.
 *
 * The statements of a window of n ticks: its sum lies in [n average, n average + n - 1] (the floor as an interval);
 * each tick's sum lies in [min, max]; some tick's sum is max, and some tick's is min.
 */
import { type Belief, type Factors, noFactors } from "./belief.ts";
import { type Equations, rowSum } from "./equations.ts";
import { cumulative, density, Mixture, type Moments, truncate } from "./normal.ts";

/** What is taken for granted while the windows are read. */
export interface Assumptions {
  /** Costs are integers. */
  integer: boolean;
  /** Executions that ran unseen, per one seen. */
  unseen: number;
  /** Mean and variance of an execution's cost. */
  readonly execution: { mean: number; variance: number };
}

const doubt = 1e-4;

function poisson(rate: number, k: number): number {
  let p = Math.exp(-rate);
  for (let i = 1; i <= k; i++) p *= rate / i;
  return p;
}

export class Propagation {
  readonly columns: Factors;
  readonly prior: Factors;
  readonly lattice: Factors;
  readonly belief: Belief;
  readonly assumptions: Assumptions;
  /** Expected number of executions that ran unseen, and number of those seen, as of the last round. */
  unseen = 0;
  seen = 0;
  readonly #equations: Equations;
  readonly #resource: number;
  readonly #totalFactors: Factors;
  readonly #tickFactors: Factors;
  readonly #mixture = new Mixture();
  readonly #part: Moments = { mass: 0, mean: 0, variance: 0 };
  readonly #asMax: Float64Array;
  readonly #asMin: Float64Array;
  readonly #cavityMean: Float64Array;
  readonly #cavityVariance: Float64Array;

  constructor(equations: Equations, resource: number, columns: number, belief: Belief, assumptions: Assumptions) {
    this.#equations = equations;
    this.#resource = resource;
    this.belief = belief;
    this.assumptions = assumptions;
    this.columns = noFactors(columns);
    this.prior = noFactors(columns);
    this.lattice = noFactors(columns);
    this.#totalFactors = noFactors(equations.totals.length);
    this.#tickFactors = noFactors(equations.ticks.length);
    let most = 1;
    for (let w = 0; w < equations.spans.length; w++)
      most = Math.max(most, (equations.firstTick[w + 1] ?? 0) - (equations.firstTick[w] ?? 0));
    this.#asMax = new Float64Array(most);
    this.#asMin = new Float64Array(most);
    this.#cavityMean = new Float64Array(most);
    this.#cavityVariance = new Float64Array(most);
  }

  /** Recomputes the belief from the prior and all factors. */
  solve(): void {
    const { columns, prior, lattice } = this;
    for (let q = 0; q < columns.precision.length; q++) {
      columns.precision[q] = (prior.precision[q] ?? 0) + (lattice.precision[q] ?? 0);
      columns.shift[q] = (prior.shift[q] ?? 0) + (lattice.shift[q] ?? 0);
    }
    this.belief.update(columns, [
      { rows: this.#equations.totals, factors: this.#totalFactors },
      { rows: this.#equations.ticks, factors: this.#tickFactors },
    ]);
  }

  /** Reads every window once more in the light of the present belief. `step` in (0, 1] damps the change. */
  readWindows(step: number): void {
    this.unseen = 0;
    this.seen = 0;
    for (let w = 0; w < this.#equations.spans.length; w++) {
      const bands = this.#equations.spans[w]?.bands;
      const average = bands?.[3 * this.#resource] ?? Number.NaN;
      if (Number.isNaN(average)) continue;
      this.#readAverage(w, average, step);
      this.#readExtremes(w, bands?.[3 * this.#resource + 1] ?? 0, bands?.[3 * this.#resource + 2] ?? 0, step);
    }
  }

  #readAverage(w: number, average: number, step: number): void {
    const { totals, spans } = this.#equations;
    const { integer, unseen, execution } = this.assumptions;
    const n = spans[w]?.ticks.length ?? 1;
    const low = n * average - (integer ? 0.5 : 0);
    const high = n * average + n - (integer ? 0.5 : 0);
    const own = this.#totalFactors;
    const variance = Math.max(this.belief.rowVariance(totals, w), 1e-9);
    const precision = 1 / variance - (own.precision[w] ?? 0);
    if (!(precision > 1e-12)) return;
    const cavityVariance = 1 / precision;
    const cavityMean = (rowSum(totals, w, this.belief.mean) / variance - (own.shift[w] ?? 0)) / precision;
    const sd = Math.sqrt(cavityVariance);

    let count = 0;
    const end = totals.start[w + 1] ?? 0;
    for (let k = totals.start[w] ?? 0; k < end; k++) count += totals.count[k] ?? 0;
    const rate = unseen * count;
    const mixture = this.#mixture;
    const part = this.#part;
    mixture.reset(cavityMean);
    truncate(cavityMean, sd, low, high, part);
    const complete = poisson(rate, 0) * part.mass;
    mixture.add(complete, part.mean, part.variance);
    let all = complete;
    let missing = 0;
    for (let k = 1; k <= 3; k++) {
      const widen = k * execution.variance + (n * n) / 12;
      const mass =
        poisson(rate, k) *
        n *
        this.#conjugate(cavityMean, cavityVariance, (low + high) / 2 - k * execution.mean, widen);
      mixture.add(mass * part.mass, part.mean, part.variance);
      all += mass * part.mass;
      missing += mass * part.mass * k;
    }
    const none = (doubt * n) / (Math.abs(average) * n + n);
    mixture.add(none, cavityMean, cavityVariance);
    all += none;
    this.unseen += missing / all;
    this.seen += count;
    this.#settle(own, w, cavityMean, cavityVariance, step);
  }

  /** Density of N(mean, variance) observed at `x` with noise `noise`; leaves the posterior in `part` with mass 1. */
  #conjugate(mean: number, variance: number, x: number, noise: number): number {
    const spread = variance + noise;
    const part = this.#part;
    part.mass = 1;
    part.mean = mean + (variance / spread) * (x - mean);
    part.variance = (variance * noise) / spread;
    return density((x - mean) / Math.sqrt(spread)) / Math.sqrt(spread);
  }

  /** Sets factor `i` to what turns the cavity into the mixture's moments. */
  #settle(own: Factors, i: number, cavityMean: number, cavityVariance: number, step: number): void {
    const part = this.#part;
    this.#mixture.into(part);
    const variance = Math.max(part.variance, 1e-4 * Math.min(cavityVariance, 1), 1e-6);
    const precision = Math.max(1 / variance - 1 / cavityVariance, 0);
    const shift = precision === 0 ? 0 : part.mean / variance - cavityMean / cavityVariance;
    own.precision[i] = (1 - step) * (own.precision[i] ?? 0) + step * precision;
    own.shift[i] = (1 - step) * (own.shift[i] ?? 0) + step * shift;
  }

  #readExtremes(w: number, min: number, max: number, step: number): void {
    const { ticks, firstTick } = this.#equations;
    const { integer, unseen, execution } = this.assumptions;
    const begin = firstTick[w] ?? 0;
    const length = (firstTick[w + 1] ?? 0) - begin;
    const own = this.#tickFactors;
    const noise = integer ? 0.01 : 0.25;
    const slack = integer ? 0.3 : 0.5;
    let sumMax = 0;
    let sumMin = 0;
    // The chance that all other ticks stay within max and min; as a product over all, divided by one's own below.
    let logBelow = 0;
    let logAbove = 0;
    for (let k = 0; k < length; k++) {
      const i = begin + k;
      const empty = ticks.start[i] === ticks.start[i + 1];
      const variance = empty ? 1e-9 : Math.max(this.belief.rowVariance(ticks, i), 1e-9);
      const precision = empty ? 1e9 : Math.max(1 / variance - (own.precision[i] ?? 0), 1e-12);
      const m = empty ? 0 : (rowSum(ticks, i, this.belief.mean) / variance - (own.shift[i] ?? 0)) / precision;
      this.#cavityMean[k] = m;
      this.#cavityVariance[k] = 1 / precision;
      const spread = Math.sqrt(1 / precision + noise);
      const below = Math.max(cumulative((max + slack - m) / spread), 1e-12);
      const above = Math.max(cumulative((m - min + slack) / spread), 1e-12);
      logBelow += Math.log(below);
      logAbove += Math.log(above);
      const rate = 1 - Math.exp(-unseen * Math.max(1, (ticks.start[i + 1] ?? 0) - (ticks.start[i] ?? 0)));
      const wide = Math.sqrt(1 / precision + execution.variance);
      const asMax =
        ((1 - rate) * density((max - m) / spread)) / spread +
        (rate * density((max - m - execution.mean) / wide)) / wide;
      const asMin = density((min - m) / spread) / spread;
      this.#asMax[k] = asMax / below;
      this.#asMin[k] = asMin / above;
      sumMax += asMax / below;
      sumMin += asMin / above;
    }
    const noneMax = doubt / (max + 1);
    const noneMin = doubt / (max + 1);
    const trustMax = 1 / (1 + noneMax / (sumMax * Math.exp(logBelow) + 1e-300));
    const trustMin = 1 / (1 + noneMin / (sumMin * Math.exp(logAbove) + 1e-300));

    for (let k = 0; k < length; k++) {
      const i = begin + k;
      if (ticks.start[i] === ticks.start[i + 1]) continue;
      const m = this.#cavityMean[k] ?? 0;
      const v = this.#cavityVariance[k] ?? 1;
      let pMax = (trustMax * (this.#asMax[k] ?? 0)) / (sumMax || 1);
      let pMin = (trustMin * (this.#asMin[k] ?? 0)) / (sumMin || 1);
      if (pMax + pMin > 1) {
        const scale = 1 / (pMax + pMin);
        pMax *= scale;
        pMin *= scale;
      }
      const mixture = this.#mixture;
      const part = this.#part;
      mixture.reset(m);
      if (pMax > 0) {
        const rate = 1 - Math.exp(-unseen * Math.max(1, (ticks.start[i + 1] ?? 0) - (ticks.start[i] ?? 0)));
        const complete = (1 - rate) * this.#conjugate(m, v, max, noise);
        const { mean, variance } = part;
        const lacking = rate * this.#conjugate(m, v, max - execution.mean, execution.variance);
        const both = complete + lacking + 1e-300;
        mixture.add((pMax * complete) / both, mean, variance);
        mixture.add((pMax * lacking) / both, part.mean, part.variance);
      }
      if (pMin > 0) {
        this.#conjugate(m, v, min, noise);
        mixture.add(pMin, part.mean, part.variance);
      }
      const rest = 1 - pMax - pMin;
      if (rest > 1e-9) {
        const trust = Math.min(trustMax, trustMin);
        truncate(m, Math.sqrt(v), min - slack, max + slack, part);
        mixture.add(rest * trust, part.mean, part.variance);
        mixture.add(rest * (1 - trust), m, v);
      }
      this.#settle(own, i, m, v, step);
    }
  }

  /** What all but the prior says of each column. */
  evidence(): { mean: Float64Array; variance: Float64Array } {
    const { belief, prior } = this;
    const mean = new Float64Array(belief.mean.length);
    const variance = new Float64Array(belief.mean.length);
    for (let q = 0; q < mean.length; q++) {
      const v = belief.variance[q] ?? 1;
      const precision = Math.max(1 / v - (prior.precision[q] ?? 0), 1e-9);
      variance[q] = 1 / precision;
      mean[q] = ((belief.mean[q] ?? 0) / v - (prior.shift[q] ?? 0)) / precision;
    }
    return { mean, variance };
  }

  /** Factors that draw each column to the integers near it; those not known to about one unit feel nothing. */
  readLattice(step: number): void {
    const { belief, lattice } = this;
    for (let q = 0; q < belief.mean.length; q++) {
      const v = belief.variance[q] ?? 1;
      const precision = 1 / v - (lattice.precision[q] ?? 0);
      if (!(precision > 1e-12)) continue;
      const m = ((belief.mean[q] ?? 0) / v - (lattice.shift[q] ?? 0)) / precision;
      if (precision < 0.7) {
        lattice.precision[q] = (1 - step) * (lattice.precision[q] ?? 0);
        lattice.shift[q] = (1 - step) * (lattice.shift[q] ?? 0);
        continue;
      }
      const nearest = Math.max(0, Math.round(m));
      const reach = Math.ceil(5 / Math.sqrt(precision));
      this.#mixture.reset(m);
      for (let x = Math.max(0, nearest - reach); x <= nearest + reach; x++)
        this.#mixture.add(Math.exp(-0.5 * precision * ((x - m) ** 2 - (nearest - m) ** 2)), x, 1e-3);
      this.#settle(lattice, q, m, 1 / precision, step);
    }
  }

  /** Log odds that the costs are integers and not any reals, from how near to integers the well-known ones lie. */
  integrality(): number {
    const { belief, lattice } = this;
    let odds = 0;
    for (let q = 0; q < belief.mean.length; q++) {
      const v = belief.variance[q] ?? 1;
      const precision = 1 / v - (lattice.precision[q] ?? 0);
      if (precision < 16) continue;
      const m = ((belief.mean[q] ?? 0) / v - (lattice.shift[q] ?? 0)) / precision;
      const sd = Math.sqrt(1 / precision + 1e-3);
      const away = (m - Math.round(m)) / sd;
      odds += Math.max(Math.log(density(away) / sd + 1e-9), -7);
    }
    return odds;
  }
}
