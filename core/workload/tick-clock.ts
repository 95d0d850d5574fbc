/**
 * When another machine's ticks happen, from observations that each say "a tick happened between `from` and `to`".
 *
 * A Kalman filter (R. E. Kalman, 1960) over two numbers, the instant x of the last tick observed and the length l of a
 * tick: d ticks later x is believed at x + d l. An observation is its span's middle with the variance of a uniform
 * distribution over the span, (to - from)^2 / 12. As the instant is certain to lie in the span, an estimate outside
 * of it (after a stall of the server) is moved to the nearer edge.
 */
export class TickClock {
  readonly #nominal: number;
  /** The last tick observed, its believed instant, and the believed length. */
  #tick = 0;
  #instant = 0;
  #length: number;
  /** Covariance: of the instant, of both, of the length. */
  #xx = 0;
  #xl = 0;
  #ll: number;
  #started = false;
  #settled = false;

  constructor(nominalLength: number) {
    this.#nominal = nominalLength;
    this.#length = nominalLength;
    this.#ll = (lengthError * nominalLength) ** 2;
  }

  get started(): boolean {
    return this.#started;
  }

  /** Whether the length has become known well enough to count the ticks of a window. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Milliseconds a tick. */
  get length(): number {
    return this.#length;
  }

  instantOf(tick: number): number {
    return this.#instant + (tick - this.#tick) * this.#length;
  }

  /** The tick whose believed instant is the last one at or before `time`. */
  lastBefore(time: number): number {
    return this.#tick + Math.floor((time - this.#instant) / this.#length);
  }

  /** A tick happened between `from` and `to`, and it is none before `earliest`: returns which. */
  observe(from: number, to: number, earliest: number): number {
    const middle = (from + to) / 2;
    const spread = (to - from) ** 2 / 12 + strayMs ** 2;
    if (!this.#started) {
      this.#started = true;
      this.#tick = earliest;
      this.#instant = middle;
      this.#xx = spread;
      return earliest;
    }
    this.#predict(Math.round((middle - this.#instant) / this.#length));
    this.#update(middle - this.#instant, spread);
    this.#instant = Math.min(Math.max(this.#instant, from), to);
    this.#length = Math.min(Math.max(this.#length, 0.8 * this.#nominal), 1.2 * this.#nominal);
    this.#settled ||= this.#ll < (settledError * this.#nominal) ** 2;
    // Numbers only grow: if this one is taken, the tick gets a later number, not another instant.
    this.#tick = Math.max(this.#tick, earliest);
    return this.#tick;
  }

  #predict(ticks: number): void {
    this.#tick += ticks;
    this.#instant += ticks * this.#length;
    this.#xx += 2 * ticks * this.#xl + ticks ** 2 * this.#ll + Math.abs(ticks) * phaseWander ** 2;
    this.#xl += ticks * this.#ll;
    this.#ll += Math.abs(ticks) * lengthWander ** 2;
  }

  #update(residual: number, spread: number): void {
    const total = this.#xx + spread;
    const [gainX, gainL] = [this.#xx / total, this.#xl / total];
    this.#instant += gainX * residual;
    this.#length += gainL * residual;
    this.#ll -= gainL * this.#xl;
    this.#xl *= 1 - gainX;
    this.#xx *= 1 - gainX;
  }
}

/** How far the length may be from the nominal one at first, relative. */
const lengthError = 0.02;
const settledError = 0.003;
/** How far a single tick strays, in ms. */
const strayMs = 2;
/** How far phase and length wander in one tick, in ms. */
const phaseWander = 0.5;
const lengthWander = 0.01;
