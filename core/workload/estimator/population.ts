/**
 * The population of queries as a mixture of Gaussians over cost triples, fitted to uncertain costs: extreme
 * deconvolution with diagonal covariances (Bovy, Hogg, Roweis, Annals of Applied Statistics 5, 2011). It is the prior
 * of queries rarely or never seen: what is known of one resource tells the profile, and so the other two.
 */
import type { Factors } from "./belief.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

interface Component {
  weight: number;
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** What the windows alone say of each column: one mean and variance per resource, without the prior's part. */
export interface Evidence {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/**
 * Factor by which a component's variance is widened where it is used: fitted to evidence that is itself approximate,
 * it comes out too small by about this where windows are few for the number of queries.
 */
const widening = 1.5;

export class Population {
  #components: Component[];

  /** Starts as one component with the given moments of each resource. */
  constructor(moments: readonly { readonly mean: number; readonly variance: number }[]) {
    this.#components = [
      {
        weight: 1,
        mean: Float64Array.from(moments, ({ mean }) => mean),
        variance: Float64Array.from(moments, ({ variance }) => variance),
      },
    ];
  }

  /** Weight, three means and three variances of each component, for `restore`. */
  save(): number[][] {
    return this.#components.map(({ weight, mean, variance }) => [weight, ...mean, ...variance]);
  }

  restore(components: readonly (readonly number[])[]): void {
    this.#components = components.map(([weight = 0, ...moments]) => ({
      weight,
      mean: Float64Array.from(moments.slice(0, 3)),
      variance: Float64Array.from(moments.slice(3)),
    }));
  }

  /** How many components there are. */
  get size(): number {
    return this.#components.length;
  }

  /** Mean share of the population's variance that the evidence of a column explains, 0 to 1. */
  explained(evidence: readonly Evidence[], columns: number): number {
    const { variance } = this.moments();
    let sum = 0;
    for (let r = 0; r < 3; r++)
      for (let q = 0; q < columns; q++)
        sum += (variance[r] ?? 0) / ((variance[r] ?? 0) + (evidence[r]?.variance[q] ?? 0));
    return sum / math.max(3 * columns, 1);
  }

  /** Splits into one component per resource, each dearer in its own and cheaper in the others, and a common one. */
  split(): void {
    const whole = this.moments();
    const make = (offset: (r: number) => number, scale: number) => ({
      weight: 0.2,
      mean: whole.mean.map((m, r) => scale * math.max(m + offset(r) * math.sqrt(whole.variance[r] ?? 0), 0)),
      variance: whole.variance.map((v) => scale * v),
    });
    this.#components = [
      make(() => 0, 1),
      make(() => 0, 0.4),
      ...[0, 1, 2].map((own) => make((r) => (r === own ? 1 : -0.5), 1)),
    ];
  }

  /** Log weights of the components for column q, given its evidence; `out` is normalised to sum to one. */
  #responsibilities(evidence: readonly Evidence[], q: number, out: Float64Array): void {
    let best = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < this.#components.length; k++) {
      const component = this.#components[k];
      if (!component) continue;
      let log = math.log(component.weight);
      for (let r = 0; r < 3; r++) {
        const spread = widening * (component.variance[r] ?? 0) + (evidence[r]?.variance[q] ?? 0);
        const away = (evidence[r]?.mean[q] ?? 0) - (component.mean[r] ?? 0);
        log -= 0.5 * (math.log(spread) + (away * away) / spread);
      }
      out[k] = log;
      best = math.max(best, log);
    }
    let sum = 0;
    for (let k = 0; k < this.#components.length; k++) {
      const weight = math.exp((out[k] ?? 0) - best);
      out[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < this.#components.length; k++) out[k] = (out[k] ?? 0) / sum;
  }

  /** One step of expectation-maximisation. */
  refine(evidence: readonly Evidence[], columns: number): void {
    const share = new Float64Array(this.#components.length);
    const sums = this.#components.map(() => ({ weight: 0, first: new Float64Array(3), second: new Float64Array(3) }));
    const whole = this.moments();
    for (let q = 0; q < columns; q++) {
      this.#responsibilities(evidence, q, share);
      this.#components.forEach((component, k) => {
        const sum = sums[k];
        const weight = share[k] ?? 0;
        if (!sum || weight < 1e-6) return;
        sum.weight += weight;
        for (let r = 0; r < 3; r++) {
          const noise = evidence[r]?.variance[q] ?? 0;
          const own = component.variance[r] ?? 0;
          const gain = own / (own + noise);
          const mean = (component.mean[r] ?? 0) + gain * ((evidence[r]?.mean[q] ?? 0) - (component.mean[r] ?? 0));
          sum.first[r] = (sum.first[r] ?? 0) + weight * mean;
          sum.second[r] = (sum.second[r] ?? 0) + weight * (mean * mean + own * (1 - gain));
        }
      });
    }
    // As if one more column sat in each component with the population's spread: none collapses onto a few columns.
    const total = columns + sums.length;
    this.#components = sums.map(({ weight, first, second }, k) => {
      const before = this.#components[k];
      const mean = new Float64Array(3);
      const variance = new Float64Array(3);
      for (let r = 0; r < 3; r++) {
        const m = ((first[r] ?? 0) + (before?.mean[r] ?? 0)) / (weight + 1);
        mean[r] = m;
        const spread = (second[r] ?? 0) - 2 * m * (first[r] ?? 0) + weight * m * m;
        variance[r] = math.max((spread + (whole.variance[r] ?? 0)) / (weight + 1), 1e-2);
      }
      return { weight: (weight + 1) / total, mean, variance };
    });
  }

  /** Mean and variance of each resource over the whole population. */
  moments(): { mean: Float64Array; variance: Float64Array } {
    const mean = new Float64Array(3);
    const variance = new Float64Array(3);
    for (const c of this.#components)
      for (let r = 0; r < 3; r++) mean[r] = (mean[r] ?? 0) + c.weight * (c.mean[r] ?? 0);
    for (const c of this.#components)
      for (let r = 0; r < 3; r++)
        variance[r] = (variance[r] ?? 0) + c.weight * ((c.variance[r] ?? 0) + ((c.mean[r] ?? 0) - (mean[r] ?? 0)) ** 2);
    return { mean, variance };
  }

  /** Writes each column's prior: the mixture, weighted by what its evidence says of its component, as one Gaussian. */
  priors(evidence: readonly Evidence[], columns: number, out: readonly Factors[]): void {
    const share = new Float64Array(this.#components.length);
    for (let q = 0; q < columns; q++) {
      this.#responsibilities(evidence, q, share);
      for (let r = 0; r < 3; r++) {
        let mean = 0;
        let second = 0;
        this.#components.forEach((component, k) => {
          const m = component.mean[r] ?? 0;
          mean += (share[k] ?? 0) * m;
          second += (share[k] ?? 0) * (widening * (component.variance[r] ?? 0) + m * m);
        });
        const precision = 1 / math.max(second - mean * mean, 1e-2);
        const factors = out[r];
        if (!factors) continue;
        factors.precision[q] = precision;
        factors.shift[q] = precision * mean;
      }
    }
  }
}
