/** What is held too much or too little is made up for in so many seconds... */
const settleSeconds = 15;
/** ...as long as the level need not leave the mean by more than this share for it, nor move by more in a second. */
const most = 0.08;
const slew = 0.01;
/** What is so far off is set right at once. */
const farOff = 0.25;
/** The least that is to wait at any time, in seconds of the level: less leaves nothing to choose from. */
const reserveSeconds = 0.7;

export interface SecondBefore {
  /** Work that waits, in CPU ms. */
  readonly waitingMs: number;
  /** CPU ms that arrive in a second on average; undefined before that is known. */
  readonly arrivingMs: number | undefined;
  /** Work per second that brings all that waits to start within its budget, and within the longest that it may wait. */
  readonly budgetMs: number;
  readonly neededMs: number;
  /** By how much the second before fell short of its level. */
  readonly shortMs: number;
  readonly backgroundMs: number;
  /** Seconds that hold a whole cycle of bursts. */
  readonly cycle: number;
}

/**
 * The level that seconds are brought to: what arrives and what runs beside it on average, so much more or less that the
 * least that waits in a cycle of bursts is the reserve, and no less than keeps the budget.
 */
export class Level {
  /** What waited in each of the last cycle's seconds; below zero, what was missing. */
  readonly #waited: number[] = [];
  #missing = 0;
  /** Seconds since something waited. */
  #idle = 0;
  #level: number | undefined;

  /** A second begins. @returns what it is to use in all, in CPU ms */
  next(second: SecondBefore): number {
    const { waitingMs, arrivingMs, budgetMs, neededMs, shortMs, backgroundMs, cycle } = second;
    const least = neededMs + backgroundMs;
    if (arrivingMs === undefined) {
      this.#level = Math.max(this.#level ?? 0, least, budgetMs + backgroundMs);
      return this.#level;
    }
    const seconds = Math.ceil(cycle);
    this.#idle = waitingMs > 0 ? 0 : this.#idle + 1;
    this.#missing = waitingMs > 0 ? 0 : this.#missing + Math.max(0, shortMs);
    // Where nothing waits for a whole cycle nobody is held: that says nothing about the level.
    if (this.#idle >= seconds) this.#waited.length = this.#missing = 0;
    else this.#waited.push(waitingMs - this.#missing);
    if (this.#waited.length > seconds) this.#waited.shift();
    const mean = arrivingMs + backgroundMs;
    const excess = this.#waited.length < seconds ? 0 : Math.min(...this.#waited) - reserveSeconds * arrivingMs;
    const wanted = mean + Math.max(-most * mean, Math.min(most * mean, excess / settleSeconds));
    const level = this.#level ?? wanted;
    const step = Math.max(-slew * mean, Math.min(slew * mean, wanted - level));
    this.#level = Math.abs(level - wanted) > farOff * wanted ? wanted : level + step;
    return Math.max(this.#level, least);
  }
}
