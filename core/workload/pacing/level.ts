/** Seconds over which arrivals are averaged, twice: bursts leave no ripple in the mean. */
const averaged = 60;
/** What is held too much or too little is made up for in so many seconds... */
const settleSeconds = 15;
/** ...as long as the level need not leave the mean by more than this share for it, nor move by more in a second. */
const most = 0.08;
const slew = 0.01;
/** The least that is to wait at any time, in seconds of the level: less leaves nothing to choose from. */
const reserveSeconds = 1;

/**
 * The level that seconds are brought to: what arrives and what runs beside it on average, so much more or less that the
 * least that waits in a cycle of bursts is the reserve, and no less than keeps the budget.
 */
export class Level {
  /** CPU ms that arrived in each of the latest seconds. */
  readonly #arrived: number[] = [];
  /** What waited in each of the last cycle's seconds; below zero, what was missing. */
  readonly #waited: number[] = [];
  #second = 0;
  #missing = 0;
  #level: number | undefined;

  /** @param workMs of an execution that arrived */
  arrived(workMs: number): void {
    this.#second += workMs;
  }

  /** A second begins. @returns what it is to use in all, in CPU ms */
  next(second: {
    /** Work that waits. */
    readonly waitingMs: number;
    /** Work per second that must be done for nothing to exceed its budget. */
    readonly neededMs: number;
    /** By how much the second before fell short of its level for want of work. */
    readonly shortMs: number;
    readonly backgroundMs: number;
    /** Seconds that hold a whole cycle of bursts. */
    readonly cycle: number;
  }): number {
    const { waitingMs, neededMs, shortMs, backgroundMs, cycle } = second;
    keep(this.#arrived, this.#second, 2 * averaged);
    this.#second = 0;
    this.#missing = waitingMs > 0 ? 0 : this.#missing + Math.max(0, shortMs);
    keep(this.#waited, waitingMs - this.#missing, Math.ceil(cycle));
    const least = neededMs + backgroundMs;
    const mean = this.mean + backgroundMs;
    if (this.#level === undefined || this.#arrived.length < 2 * cycle) {
      this.#level = Math.max(this.#level ?? 0, least);
      return this.#level;
    }
    const excess = Math.min(...this.#waited) - reserveSeconds * this.mean;
    const wanted = mean + Math.max(-most * mean, Math.min(most * mean, excess / settleSeconds));
    this.#level += Math.max(-slew * mean, Math.min(slew * mean, wanted - this.#level));
    return Math.max(this.#level, least);
  }

  /** CPU ms that arrive in a second, by a triangular average over two minutes; by an even one before. */
  get mean(): number {
    const count = this.#arrived.length;
    let [sum, weights] = [0, 0];
    for (const [at, work] of this.#arrived.entries()) {
      const weight = count < 2 * averaged ? 1 : Math.min(at + 1, count - at);
      sum += weight * work;
      weights += weight;
    }
    return weights === 0 ? 0 : sum / weights;
  }
}

function keep(values: number[], value: number, most: number): void {
  values.push(value);
  if (values.length > most) values.shift();
}
