/**
 * Expectation propagation for one resource (Minka, Expectation Propagation for Approximate Bayesian Inference, 2001):
 * what each window says is replaced by Gaussian factors on its sums, each matched to the moments of the exact
 * statement in the light of all others.
 */
import type { Assumptions } from "./average.ts";
import { Belief, type Factors, noFactors, type RowFactors, settle } from "./belief.ts";
import type { Equations } from "./equations.ts";
import { type Bounds, type Hidden, Statements } from "./statements.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Move of a mean in a round, in sd, up to which it stands still. */
const still = 0.05;

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
  readonly #columns: Factors;
  /** Factors on sums: by window, of its present candidate; and by tick. */
  readonly totals: RowFactors;
  readonly ticks: RowFactors;
  readonly statements: Statements;
  /** How sure it is that a window's average fits nothing that is believed. */
  readonly doubted: Float64Array;
  /** By window: expected number of executions that ran unseen. */
  readonly unseenIn: Float64Array;

  constructor(
    equations: Equations,
    bounds: Bounds,
    hidden: Hidden,
    resource: number,
    anchor: Factors,
    assumptions: Assumptions,
  ) {
    this.equations = equations;
    this.bounds = bounds;
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
    this.statements = new Statements(this, hidden, resource, assumptions);
  }

  get assumptions(): Assumptions {
    return this.statements.assumptions;
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
      if (!this.statements.isUsable(w)) continue;
      this.#readAverage(w, step);
      this.#readExtremes(w, step);
    }
    this.unseen = 0;
    this.seen = 0;
    for (let w = 0; w < this.equations.spans.length; w++) {
      if (!this.statements.isUsable(w)) continue;
      this.unseen += this.unseenIn[w] ?? 0;
      this.seen += this.equations.executions[this.bounds.candidate[w] ?? 0] ?? 0;
    }
  }

  #readAverage(w: number, step: number): void {
    const { cavity, average } = this.statements;
    this.statements.readAverage(w);
    this.doubted[w] = average.doubted;
    this.unseenIn[w] = average.unseen;
    settle(this.totals, w, cavity.mean, cavity.variance, average.result, step);
  }

  #readExtremes(w: number, step: number): void {
    const { ticks } = this.equations;
    const { extremes } = this.statements;
    this.statements.readExtremes(w).forEach((i, k) => {
      if (ticks.start[i] === ticks.start[i + 1]) return;
      extremes.tick(k);
      settle(this.ticks, i, extremes.meanOf(k), extremes.varianceOf(k), extremes.result, step);
    });
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
