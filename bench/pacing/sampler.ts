import type { createRandom } from "../../sim-server/database/random.ts";

export const tickMs = 100;

/** Reads a server's CPU time at uneven moments, and not quite when it says; between two readings it takes the use to be even. */
export class Sampler {
  readonly #random: ReturnType<typeof createRandom>;
  readonly #everyMs: readonly [least: number, most: number];
  #readMs = 0;
  #next = 0;
  /** Up to here the use is known. */
  until = 0;

  constructor(random: ReturnType<typeof createRandom>, everyMs: readonly [least: number, most: number]) {
    this.#random = random;
    this.#everyMs = everyMs;
  }

  /** @param usedMs CPU time so far @returns what comes to the use of ticks by a reading, should one be due */
  read(now: number, usedMs: number): { readonly tick: number; readonly cpuMs: number }[] {
    if (now < this.#next) return [];
    const [least, most] = this.#everyMs;
    this.#next = now + least + (most - least) * this.#random.uniform();
    const said = Math.max(this.until + 1, now + 2 * this.#random.normal());
    const [from, used] = [this.until, usedMs - this.#readMs];
    const ticks = [];
    for (let tick = Math.floor(from / tickMs); tick * tickMs < said; tick++) {
      const overlap = Math.min(said, (tick + 1) * tickMs) - Math.max(from, tick * tickMs);
      ticks.push({ tick, cpuMs: (used * overlap) / (said - from) });
    }
    this.until = said;
    this.#readMs = usedMs;
    return ticks;
  }
}
