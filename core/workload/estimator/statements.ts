/**
 * What windows state of one resource, in the light of what all others say: as they are, had a window's bounds lain
 * elsewhere, or had a query another cost.
 */
import { type Assumptions, Average, mostUnseen } from "./average.ts";
import type { Belief, Normal, RowFactors } from "./belief.ts";
import type { Equations } from "./equations.ts";
import { Extremes } from "./extremes.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Which placement of each window's bounds is taken, and how surely. */
export interface Bounds {
  readonly candidate: Int32Array;
  readonly trust: Float64Array;
}

/** 0, 1, ... unseen executions. */
export const cases = mostUnseen + 1;

/** Per resource: the likelihood of 0, 1, ... unseen executions in each window. They ran for all resources alike. */
export type Hidden = readonly Float64Array[];

export function nothingHidden({ spans }: Equations): Hidden {
  return [0, 1, 2].map(() => new Float64Array(cases * spans.length).fill(1));
}

/** What is believed, and from which equations. */
interface Believed {
  readonly equations: Equations;
  readonly bounds: Bounds;
  readonly belief: Belief;
  readonly totals: RowFactors;
  readonly ticks: RowFactors;
}

export class Statements {
  readonly assumptions: Assumptions;
  readonly average: Average;
  readonly extremes: Extremes;
  /** What is believed of the sum that was read last, without the statement. */
  readonly cavity: Normal = { mean: 0, variance: 0 };
  readonly #of: Believed;
  readonly #hidden: Hidden;
  readonly #resource: number;
  readonly #elsewhere = new Float64Array(cases);
  /** Ticks of the window being read, each of another class. */
  readonly #distinct: number[] = [];
  readonly #lastRead: Int32Array;
  #reads = 0;

  constructor(of: Believed, hidden: Hidden, resource: number, assumptions: Assumptions) {
    this.assumptions = assumptions;
    this.average = new Average(assumptions);
    this.extremes = new Extremes(assumptions);
    this.#of = of;
    this.#hidden = hidden;
    this.#resource = resource;
    this.#lastRead = new Int32Array(of.equations.tickClass.length).fill(-1);
  }

  /** Whether window w reports this resource. */
  isUsable(w: number): boolean {
    return !Number.isNaN(this.#band(w, 0));
  }

  /** Reads window w's average, other resources weighed in; `cavity` and `average` tell what came of it. */
  readAverage(w: number): void {
    const { bounds, belief, totals } = this.#of;
    const c = bounds.candidate[w] ?? 0;
    belief.without(totals, w, c, this.cavity);
    this.#weighElsewhere(w);
    this.#averageOf(w, c, bounds.trust[w] ?? 1, this.#elsewhere);
    const { likelihood } = this.average;
    const most = likelihood.reduce((a, b) => math.max(a, b));
    const own = this.#hidden[this.#resource];
    if (own) for (let k = 0; k < cases; k++) own[cases * w + k] = (likelihood[k] ?? 0) / most;
  }

  /** Reads window w's extremes; returns the ticks that were added to `extremes`, in order. */
  readExtremes(w: number): readonly number[] {
    const { candidate, trust } = this.#of.bounds;
    this.#extremesOf(w, candidate[w] ?? 0, trust[w] ?? 1);
    return this.#distinct;
  }

  #band(w: number, which: 0 | 1 | 2): number {
    return this.#of.equations.spans[w]?.bands[3 * this.#resource + which] ?? Number.NaN;
  }

  #weighElsewhere(w: number): void {
    this.#elsewhere.fill(1);
    this.#hidden.forEach((likelihood, r) => {
      if (r === this.#resource) return;
      for (let k = 0; k < cases; k++) this.#elsewhere[k] = (this.#elsewhere[k] ?? 1) * (likelihood[cases * w + k] ?? 1);
    });
  }

  #averageOf(w: number, c: number, trust: number, elsewhere?: Float64Array): number {
    const { candidates, executions } = this.#of.equations;
    const candidate = candidates[c];
    return this.average.read(
      this.cavity.mean,
      this.cavity.variance,
      {
        average: this.#band(w, 0),
        ticks: candidate ? candidate.to - candidate.from : 1,
        executions: executions[c] ?? 0,
        trust,
      },
      elsewhere,
    );
  }

  /** Weighs the extremes of window w under candidate c; the ticks taken are left in `distinct`. */
  #extremesOf(w: number, c: number, trust: number): number {
    const { ticks } = this.#of.equations;
    const extremes = this.extremes;
    this.#beginExtremes(w, c);
    for (const i of this.#distinctTicks(c)) {
      if (ticks.start[i] === ticks.start[i + 1]) {
        extremes.add(0, 1e-9);
        continue;
      }
      this.#of.belief.without(this.#of.ticks, i, i, this.cavity);
      extremes.add(this.cavity.mean, this.cavity.variance);
    }
    return extremes.weigh(trust);
  }

  #beginExtremes(w: number, c: number): void {
    const candidate = this.#of.equations.candidates[c];
    const ticks = candidate ? candidate.to - candidate.from : 1;
    const rate = (this.assumptions.unseen * (this.#of.equations.executions[c] ?? 0)) / ticks;
    this.extremes.begin(this.#band(w, 1), this.#band(w, 2), rate);
  }

  /** Ticks of candidate c, one of each class. */
  #distinctTicks(c: number): readonly number[] {
    const { candidates, tickClass } = this.#of.equations;
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
    if (!this.isUsable(w)) return 0;
    this.#of.belief.without(this.#of.totals, w, c, this.cavity);
    return this.#averageOf(w, c, 1) + this.#extremesOf(w, c, 1);
  }

  /**
   * Adds to `out` the log probability of what window w reports for each of `values` as the cost of column q, all other
   * columns being as believed without this window.
   * @param least variance that each other cost is given at least
   */
  addFits(w: number, q: number, values: Float64Array, out: Float64Array, least = 0): void {
    if (!this.isUsable(w)) return;
    const c = this.#of.bounds.candidate[w] ?? 0;
    const trust = this.#of.bounds.trust[w] ?? 1;
    const rest = { mean: 0, variance: 0 };
    const times = this.#of.belief.rest(this.#of.totals, w, q, rest, least);
    this.#weighElsewhere(w);
    this.cavity.variance = rest.variance;
    values.forEach((value, x) => {
      this.cavity.mean = rest.mean + times * value;
      out[x] = (out[x] ?? 0) + this.#averageOf(w, c, trust, this.#elsewhere);
    });
    const extremes = this.extremes;
    this.#beginExtremes(w, c);
    const own: { readonly mean: number; readonly variance: number; readonly times: number }[] = [];
    for (const i of this.#distinctTicks(c)) {
      const times = this.#of.belief.rest(this.#of.ticks, i, q, rest, least);
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
    const candidate = this.#of.equations.candidates[this.#of.bounds.candidate[w] ?? 0];
    if (!candidate) return Number.NaN;
    this.#of.belief.without(this.#of.totals, w, this.#of.bounds.candidate[w] ?? 0, this.cavity);
    return (this.#band(w, 0) + 0.5) * (candidate.to - candidate.from) - this.cavity.mean;
  }

  /** Log probability of window w's average for each of `shifts` added to what is believed of its sum. */
  shiftedFits(w: number, shifts: Float64Array, out: Float64Array): void {
    if (!this.isUsable(w)) {
      out.fill(0);
      return;
    }
    const c = this.#of.bounds.candidate[w] ?? 0;
    this.#of.belief.without(this.#of.totals, w, c, this.cavity);
    const { mean } = this.cavity;
    for (let i = 0; i < shifts.length; i++) {
      this.cavity.mean = mean + (shifts[i] ?? 0);
      out[i] = this.#averageOf(w, c, this.#of.bounds.trust[w] ?? 1);
    }
  }
}
