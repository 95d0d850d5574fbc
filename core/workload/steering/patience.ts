/** From so many arrivals a tick on, so many that wait are enough to fill windows from; down to where windows leave gaps, ever more are. */
const enoughFrom = 2.4;
const neverEnoughBelow = 1.85;
const enoughArrivals = 80;
/** Of longer windows, in proportion: theirs are as many as of windows of so many ticks. */
const ordinaryWindow = 10;
/** What a window that was not level although it was meant to be adds to what is enough, and what a level one takes off again. */
const missGain = 1.1;
const levelGain = 0.9985;
/** Ticks that what is held for may grow by in a tick, and the share of a window that it begins with. */
const growth = 0.4;
const firstWindows = 0.5;
/** The least share of what is held for from which on things press, and what a level window takes off it and one that was not puts on. */
const leastHaste = 0.5;
const hasteLevel = 0.995;
const hasteMissed = 1.15;

/** How long executions are held (ADR 765): within the user's budget, no longer than windows need to be filled. */
export class Patience {
  #factor = 1;
  #haste = 1;
  #spared = false;
  #ticks = 0;

  /**
   * The share of what is held for that something has waited when it begins to press (ADR 768): all of it, or less where
   * windows are level without. What presses earlier is late more rarely, so that more may be late where few arrive.
   */
  haste(arrivalRate: number): number {
    return arrivalRate < neverEnoughBelow ? this.#haste : 1;
  }

  /** A planned window closed. @param believed whether it was in band by the believed costs */
  observe(believed: boolean): void {
    this.#haste = believed ? Math.max(leastHaste, this.#haste * hasteLevel) : Math.min(1, this.#haste * hasteMissed);
    if (believed) this.#factor = Math.max(1, this.#factor * levelGain);
    else if (this.#spared) this.#factor *= missGain;
  }

  /** Nothing is held now; the oldest has waited for `age` ticks. Holding begins anew from there. */
  rest(age: number, windowTicks: number): void {
    this.#ticks = Math.max(age, firstWindows * windowTicks);
  }

  /**
   * The budget to plan the next tick for, in ticks: at most `budgetTicks`. It grows slowly, so that what waits builds up
   * while windows run, and follows the rate without a jump.
   */
  next(budgetTicks: number, arrivalRate: number, windowTicks: number): number {
    const share = Math.max(0, Math.min(1, (arrivalRate - neverEnoughBelow) / (enoughFrom - neverEnoughBelow)));
    const enough = enoughArrivals * Math.max(1, windowTicks / ordinaryWindow) * this.#factor;
    const needed = share > 0 ? enough / share / arrivalRate : Number.POSITIVE_INFINITY;
    this.#spared = needed < budgetTicks;
    this.#ticks = Math.min(budgetTicks, needed, this.#ticks + growth);
    return this.#ticks;
  }
}
