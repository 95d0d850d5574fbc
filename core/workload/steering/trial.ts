const keptGain = 1 / 16;
const levelGain = 1 / 30;
/** What is taken for true before a window was seen. */
const keptAtFirst = 0.6;
const levelAtFirst = 0.3;
/** Below this share of kept promises, or this gain over not steering at all, steering pauses. */
const leastKept = 0.2;
const leastGain = 0.04;
/** Windows that the first pause lasts; each further one twice as long, up to the longest. */
const firstPause = 60;
const longestPause = 960;

/**
 * Whether steering helps, by its own measure: of the windows that were in band by the believed costs, how many the
 * server reported in band, and how many are in band with steering and without. When it fails, steering pauses and is
 * tried again later, after ever longer pauses; a success makes them short again.
 */
export class Trial {
  #kept = keptAtFirst;
  #level = levelAtFirst;
  #levelWithout = 0;
  #pause = firstPause;
  #pausedFor = 0;
  #reason: string | null = null;

  /**
   * A window closed.
   * @param steered whether it was planned
   * @param believed whether it was in band by the believed costs
   * @param inBand whether it is by the server's report
   */
  observe(steered: boolean, believed: boolean, inBand: boolean): void {
    if (this.#pausedFor > 0 && --this.#pausedFor === 0) this.#begin();
    if (!steered) {
      this.#levelWithout += (Number(inBand) - this.#levelWithout) * levelGain;
      return;
    }
    this.#level += (Number(inBand) - this.#level) * levelGain;
    if (believed) this.#kept += (Number(inBand) - this.#kept) * keptGain;
    if (this.#kept < leastKept) this.#stop("windows planned to be level are not: costs do not fit what runs");
    else if (this.#level < this.#levelWithout + leastGain)
      this.#stop("delaying brings next to no level windows with this load and budget");
    else if (this.#kept > keptAtFirst && this.#level > 2 * leastGain + this.#levelWithout) this.#pause = firstPause;
  }

  /** Why nothing is delayed for a while; null while steering goes on. */
  get failure(): string | null {
    return this.#reason && `${this.#reason}; nothing is delayed for ${this.#pausedFor} windows, then it is tried again`;
  }

  #stop(reason: string): void {
    this.#reason = reason;
    this.#pausedFor = this.#pause;
    this.#pause = Math.min(longestPause, 2 * this.#pause);
  }

  #begin(): void {
    this.#reason = null;
    this.#kept = keptAtFirst;
    this.#level = levelAtFirst;
  }
}
