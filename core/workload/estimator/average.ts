/**
 * What a window's average says of its sum, which is believed to be normal: the statement's probability, and the sum's
 * moments once it is known (the "tilted" moments of expectation propagation). A window of n ticks states that its sum
 * lies in [n average, n average + n - 1]: the floor as an interval.
 *
 * Executions may have run unseen (a Poisson number, each costing what executions cost on average), which only adds to
 * what the server reports; and with a small probability the window states nothing.
 */
import { Mixture, type Moments, observe, truncate } from "./normal.ts";

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
export const doubt = 1e-4;
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

export class Average {
  readonly assumptions: Assumptions;
  /** The tilted moments that the last call left. */
  readonly result: Moments = { mass: 0, mean: 0, variance: 0 };
  /** After `read`: expected number of unseen executions, and the probability that the window states nothing. */
  unseen = 0;
  doubted = 0;
  /** After `read`: its likelihood had 0, 1, ... executions run unseen. */
  readonly likelihood = new Float64Array(mostUnseen + 1);
  readonly #mixture = new Mixture();
  readonly #part: Moments = { mass: 0, mean: 0, variance: 0 };

  constructor(assumptions: Assumptions) {
    this.assumptions = assumptions;
  }

  /**
   * Reads a window's average, its sum believed to be N(mean, variance).
   * @param trust probability that the window's bounds are right
   * @param elsewhere likelihood of 0, 1, ... unseen executions by the window's other resources
   * @returns log of the probability of the average
   */
  read(
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
      const likelihood = trust * ticks * observe(mean, variance, middle - k * execution.mean, noise, part);
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
      const density = (1 - trust) * ticks * observe(mean, variance, middle, noise + (ticks * ticks) / 12, part);
      mixture.add(possible * density, part.mean, part.variance);
      whatever += density;
    }
    // A sum somewhat off is drawn near gently, as beliefs may be too sure while they settle.
    const noise = (execution.mean * slipBy) ** 2 + (ticks * ticks) / 12;
    const off = slip * ticks * observe(mean, variance, middle, noise, part);
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
}
