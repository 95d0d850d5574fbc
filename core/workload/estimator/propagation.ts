/**
 * Expectation propagation for one resource (Minka, Expectation Propagation for Approximate Bayesian Inference, 2001):
 * what each window says is replaced by Gaussian factors on its sums, each matched to the moments of the exact
 * statement in the light of all others.
 */
import { Belief, type Factors, type Normal, noFactors, type RowFactors, settle } from "./belief.ts";
import type { Equations } from "./equations.ts";
import { Extremes } from "./extremes.ts";
import { type Assumptions, mostUnseen, Reading } from "./reading.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Which placement of each window's bounds is taken, and how surely. */
export interface Bounds {
  readonly candidate: Int32Array;
  readonly trust: Float64Array;
}

/** 0, 1, ... unseen executions. */
export const cases = mostUnseen + 1;
/** Move of a mean in a round, in sd, up to which it stands still. */
const still = 0.05;

/** Per resource: the likelihood of 0, 1, ... unseen executions in each window. They ran for all resources alike. */
export type Hidden = readonly Float64Array[];

export function nothingHidden({ spans }: Equations): Hidden {
  return [0, 1, 2].map(() => new Float64Array(cases * spans.length).fill(1));
}

export class Propagation {
  readonly belief: Belief;
  /** Factors on columns: what windows no longer kept said of them, the population's, and what is known of costs as such (not negative, perhaps integers). */
  readonly anchor: Factors;
  readonly prior: Factors;
  readonly costs: Factors;
  /** Expected number of executions that ran unseen, and number of those seen, as of the last round. */
  unseen = 0;
  seen = 0;
  readonly equations: Equations;
  readonly bounds: Bounds;
  readonly #hidden: Hidden;
  readonly #elsewhere = new Float64Array(cases);
  readonly #resource: number;
  readonly #columns: Factors;
  /** Factors on sums: by window, of its present candidate; and by tick. */
  readonly totals: RowFactors;
  readonly ticks: RowFactors;
  readonly #reading: Reading;
  readonly #extremes: Extremes;
  /** How sure it is that a window's average fits nothing that is believed. */
  readonly doubted: Float64Array;
  /** By window: expected number of executions that ran unseen. */
  readonly unseenIn: Float64Array;
  readonly #cavity: Normal = { mean: 0, variance: 0 };
  /** Ticks of the window being read, each of another class. */
  readonly #distinct: number[] = [];
  readonly #lastRead: Int32Array;
  #reads = 0;

  constructor(
    equations: Equations,
    bounds: Bounds,
    hidden: Hidden,
    resource: number,
    anchor: Factors,
    assumptions: Assumptions,
  ) {
    this.#hidden = hidden;
    this.equations = equations;
    this.bounds = bounds;
    this.#resource = resource;
    this.#reading = new Reading(assumptions);
    this.#extremes = new Extremes(assumptions);
    const columns = anchor.precision.length;
    this.belief = new Belief(columns);
    this.#columns = noFactors(columns);
    this.anchor = anchor;
    this.prior = noFactors(columns);
    this.costs = noFactors(columns);
    this.totals = { rows: equations.totals, which: bounds.candidate, ...noFactors(equations.spans.length) };
    this.ticks = { rows: equations.ticks, ...noFactors(equations.ticks.length) };
    this.doubted = new Float64Array(equations.spans.length);
    this.unseenIn = new Float64Array(equations.spans.length);
    this.#lastRead = new Int32Array(equations.tickClass.length).fill(-1);
  }

  get assumptions(): Assumptions {
    return this.#reading.assumptions;
  }

  /** Works out from factors and belief, as restored, what each row's factor says of each column. */
  begin(): void {
    this.#gather();
    this.belief.begin(this.#columns, [this.totals, this.ticks]);
  }

  #gather(): void {
    const { anchor, prior, costs } = this;
    const columns = this.#columns;
    for (let q = 0; q < columns.precision.length; q++) {
      columns.precision[q] = (anchor.precision[q] ?? 0) + (prior.precision[q] ?? 0) + (costs.precision[q] ?? 0);
      columns.shift[q] = (anchor.shift[q] ?? 0) + (prior.shift[q] ?? 0) + (costs.shift[q] ?? 0);
    }
  }

  /** Recomputes the belief from all factors; returns how many means still move. */
  solve(): number {
    const { belief } = this;
    const before = Float64Array.from(belief.mean);
    this.#gather();
    belief.update(this.#columns, [this.totals, this.ticks]);
    let moving = 0;
    before.forEach((mean, q) => {
      const sd = math.sqrt(belief.variance[q] ?? 0) + 0.05;
      if (math.abs((belief.mean[q] ?? 0) - mean) > still * sd) moving++;
    });
    return moving;
  }

  /** Reads windows once more in the light of the present belief. `step` in (0, 1] damps the change. */
  readWindows(windows: Int32Array, step: number): void {
    for (const w of windows) {
      if (Number.isNaN(this.#band(w, 0))) continue;
      this.#readAverage(w, step);
      this.#readExtremes(w, step);
    }
    this.unseen = 0;
    this.seen = 0;
    for (let w = 0; w < this.equations.spans.length; w++) {
      if (Number.isNaN(this.#band(w, 0))) continue;
      this.unseen += this.unseenIn[w] ?? 0;
      this.seen += this.equations.executions[this.bounds.candidate[w] ?? 0] ?? 0;
    }
  }

  #band(w: number, which: 0 | 1 | 2): number {
    return this.equations.spans[w]?.bands[3 * this.#resource + which] ?? Number.NaN;
  }

  #readAverage(w: number, step: number): void {
    const c = this.bounds.candidate[w] ?? 0;
    const cavity = this.#cavity;
    this.belief.without(this.totals, w, c, cavity);
    this.#weighElsewhere(w);
    this.#averageOf(w, c, this.bounds.trust[w] ?? 1, this.#elsewhere);
    const { likelihood } = this.#reading;
    const most = likelihood.reduce((a, b) => math.max(a, b));
    for (let k = 0; k < cases; k++) {
      const own = this.#hidden[this.#resource];
      if (own) own[cases * w + k] = (likelihood[k] ?? 0) / most;
    }
    this.doubted[w] = this.#reading.doubted;
    this.unseenIn[w] = this.#reading.unseen;
    settle(this.totals, w, cavity.mean, cavity.variance, this.#reading.result, step);
  }

  #weighElsewhere(w: number): void {
    this.#elsewhere.fill(1);
    this.#hidden.forEach((likelihood, r) => {
      if (r === this.#resource) return;
      for (let k = 0; k < cases; k++) this.#elsewhere[k] = (this.#elsewhere[k] ?? 1) * (likelihood[cases * w + k] ?? 1);
    });
  }

  #averageOf(w: number, c: number, trust: number, elsewhere?: Float64Array): number {
    const { candidates, executions } = this.equations;
    const candidate = candidates[c];
    return this.#reading.average(
      this.#cavity.mean,
      this.#cavity.variance,
      {
        average: this.#band(w, 0),
        ticks: candidate ? candidate.to - candidate.from : 1,
        executions: executions[c] ?? 0,
        trust,
      },
      elsewhere,
    );
  }

  #readExtremes(w: number, step: number): void {
    const { ticks } = this.equations;
    this.#extremesOf(w, this.bounds.candidate[w] ?? 0, this.bounds.trust[w] ?? 1);
    const extremes = this.#extremes;
    this.#distinct.forEach((i, k) => {
      if (ticks.start[i] === ticks.start[i + 1]) return;
      extremes.tick(k);
      settle(this.ticks, i, extremes.meanOf(k), extremes.varianceOf(k), extremes.result, step);
    });
  }

  /** Weighs the extremes of window w under candidate c; the ticks taken are left in `distinct`. */
  #extremesOf(w: number, c: number, trust: number): number {
    const { ticks } = this.equations;
    const extremes = this.#extremes;
    this.#beginExtremes(w, c);
    for (const i of this.#distinctTicks(c)) {
      if (ticks.start[i] === ticks.start[i + 1]) {
        extremes.add(0, 1e-9);
        continue;
      }
      this.belief.without(this.ticks, i, i, this.#cavity);
      extremes.add(this.#cavity.mean, this.#cavity.variance);
    }
    return extremes.weigh(trust);
  }

  #beginExtremes(w: number, c: number): void {
    const candidate = this.equations.candidates[c];
    const ticks = candidate ? candidate.to - candidate.from : 1;
    const rate = (this.assumptions.unseen * (this.equations.executions[c] ?? 0)) / ticks;
    this.#extremes.begin(this.#band(w, 1), this.#band(w, 2), rate);
  }

  /** Ticks of candidate c, one of each class. */
  #distinctTicks(c: number): readonly number[] {
    const { candidates, tickClass } = this.equations;
    const candidate = candidates[c];
    this.#reads++;
    this.#distinct.length = 0;
    for (let i = candidate?.from ?? 0; i < (candidate?.to ?? 0); i++) {
      const kind = tickClass[i] ?? 0;
      if (this.#lastRead[kind] === this.#reads) continue;
      this.#lastRead[kind] = this.#reads;
      this.#distinct.push(i);
    }
    return this.#distinct;
  }

  /** Log probability of what window w reports if candidate c is where it lies, in the light of all other windows. */
  fitOf(w: number, c: number): number {
    if (Number.isNaN(this.#band(w, 0))) return 0;
    this.belief.without(this.totals, w, c, this.#cavity);
    return this.#averageOf(w, c, 1) + this.#extremesOf(w, c, 1);
  }

  /**
   * Adds to `out` the log probability of what window w reports for each of `values` as the cost of column q, all other
   * columns being as believed without this window.
   * @param least variance that each other cost is given at least
   */
  addFits(w: number, q: number, values: Float64Array, out: Float64Array, least = 0): void {
    if (Number.isNaN(this.#band(w, 0))) return;
    const c = this.bounds.candidate[w] ?? 0;
    const trust = this.bounds.trust[w] ?? 1;
    const rest = { mean: 0, variance: 0 };
    const times = this.belief.rest(this.totals, w, q, rest, least);
    this.#weighElsewhere(w);
    this.#cavity.variance = rest.variance;
    values.forEach((value, x) => {
      this.#cavity.mean = rest.mean + times * value;
      out[x] = (out[x] ?? 0) + this.#averageOf(w, c, trust, this.#elsewhere);
    });
    const extremes = this.#extremes;
    this.#beginExtremes(w, c);
    const own: { readonly mean: number; readonly variance: number; readonly times: number }[] = [];
    for (const i of this.#distinctTicks(c)) {
      const times = this.belief.rest(this.ticks, i, q, rest, least);
      if (times > 0) own.push({ ...rest, times });
      else extremes.add(rest.mean, rest.variance);
    }
    extremes.mark();
    values.forEach((value, x) => {
      extremes.rewind();
      for (const { mean, variance, times } of own) extremes.add(mean + times * value, variance);
      out[x] = (out[x] ?? 0) + extremes.weigh(trust);
    });
  }

  /** By how much window w's average exceeds what is believed of its sum. */
  excess(w: number): number {
    const candidate = this.equations.candidates[this.bounds.candidate[w] ?? 0];
    if (!candidate) return Number.NaN;
    this.belief.without(this.totals, w, this.bounds.candidate[w] ?? 0, this.#cavity);
    return (this.#band(w, 0) + 0.5) * (candidate.to - candidate.from) - this.#cavity.mean;
  }

  /** Log probability of window w's average for each of `shifts` added to what is believed of its sum. */
  shiftedFits(w: number, shifts: Float64Array, out: Float64Array): void {
    if (Number.isNaN(this.#band(w, 0))) {
      out.fill(0);
      return;
    }
    const c = this.bounds.candidate[w] ?? 0;
    this.belief.without(this.totals, w, c, this.#cavity);
    const { mean } = this.#cavity;
    for (let i = 0; i < shifts.length; i++) {
      this.#cavity.mean = mean + (shifts[i] ?? 0);
      out[i] = this.#averageOf(w, c, this.bounds.trust[w] ?? 1);
    }
  }

  /** Forgets what was read from window w, whose bounds change. */
  forget(w: number): void {
    this.totals.precision[w] = 0;
    this.totals.shift[w] = 0;
    const candidate = this.equations.candidates[this.bounds.candidate[w] ?? 0];
    this.ticks.precision.fill(0, candidate?.from, candidate?.to);
    this.ticks.shift.fill(0, candidate?.from, candidate?.to);
  }

  /** What all but the population says of each column. */
  evidence(): { mean: Float64Array; variance: Float64Array } {
    const { belief, prior } = this;
    const mean = new Float64Array(belief.mean.length);
    const variance = new Float64Array(belief.mean.length);
    for (let q = 0; q < mean.length; q++) {
      const v = belief.variance[q] ?? 1;
      const precision = math.max(1 / v - (prior.precision[q] ?? 0), 1e-9);
      variance[q] = 1 / precision;
      mean[q] = ((belief.mean[q] ?? 0) / v - (prior.shift[q] ?? 0)) / precision;
    }
    return { mean, variance };
  }
}
