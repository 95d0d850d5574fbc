/** Weights of a new tick: the mean over about a minute, and over a season. */
const shortGain = 1 / 500;
const longGain = 1 / 20_000;
/** Empty ticks taken for seen before the first, so that the first few do not make the mean too large. */
const emptyAtFirst = 20;

/** What a tick uses on average, in each resource, from the believed costs of what ran. */
export class MeanTick {
  readonly #short: [number, number, number] = [0, 0, 0];
  readonly #long: [number, number, number] = [0, 0, 0];
  #ticks = emptyAtFirst;

  observe(usage: readonly number[]): void {
    this.#ticks++;
    for (const r of [0, 1, 2] as const) {
      const used = usage[r] ?? 0;
      this.#short[r] += (used - this.#short[r]) * Math.max(shortGain, 1 / this.#ticks);
      this.#long[r] += (used - this.#long[r]) * Math.max(longGain, 1 / this.#ticks);
    }
  }

  /** So many mean ticks; of the lesser mean, so that neither the height of a season nor its low allows more. */
  times(count: number): number[] {
    return ([0, 1, 2] as const).map((r) => count * Math.min(this.#short[r], this.#long[r]));
  }
}
