import { judgeWindow } from "../measures.ts";
import type { TickObservation } from "../types.ts";

/** The share of executions that may exceed the latency budget: it is a 95th percentile. */
const allowedLate = 0.05;
/** What the account allows: a little less, for a 95th percentile below the budget. */
const accountedLate = 0.042;
/** The most executions that may be late because few were before; and the most that few may be late for. */
const mostCredit = 1500;
const mostDebt = 300;
/** The share of the budget to plan for with the most debt. */
const lowestAim = 0.5;
const aimedFrom = 5;
/** Where fewer windows than these are level, waiting longer gains next to nothing. */
const rarelyLevel = 0.35;
/** The debt from which on what presses runs in gaps, which wastes it: a share of what ran, at least and at most so much. */
const overdrawnShare = 0.004;
const leastOverdrawn = 30;
const mostOverdrawn = 120;
const shareGain = 1 / 300;
/** Windows and executions seen before anything is said about them. */
const enough = 120;

/** What the steering reaches: the share of windows in band, and of executions within the latency budget. */
export class Outcome {
  /** It begins just before it is overdrawn: few are to be late in the first minutes, too. */
  #credit = 1 - leastOverdrawn;
  #inBand = 0;
  #late = allowedLate;
  #windows = 0;
  #ran = 0;
  #executed = 0;
  #waited = false;

  /**
   * The budget to plan for, as a share of the user's: lower while more than the allowed share was late; but not where
   * few arrive and windows are level: those need each second, and late executions have their price (holding.ts).
   */
  aim(arrivalRate: number): number {
    if (arrivalRate < aimedFrom && this.#inBand > rarelyLevel) return 1;
    return 1 + (lowestAim - 1) * Math.max(0, -this.#credit / mostDebt);
  }

  get overdrawn(): boolean {
    const most = Math.min(mostOverdrawn, overdrawnShare * this.#executed);
    return this.#credit < -Math.max(leastOverdrawn, this.#inBand > rarelyLevel ? most : 0);
  }

  /** How many executions may still be late before more than the allowed share was; negative when more were. */
  get credit(): number {
    return this.#credit;
  }

  observe({ tick, executed, window }: TickObservation, waiting: number, budgetTicks: number, bandWidth: number): void {
    for (const { arrivedTick } of executed) {
      const late = Number(tick - arrivedTick > budgetTicks);
      this.#credit = Math.max(-mostDebt, Math.min(mostCredit, this.#credit + accountedLate - late));
      this.#late += (late - this.#late) * shareGain;
    }
    this.#ran += executed.length;
    this.#executed += executed.length;
    if (window) {
      const { inBand } = judgeWindow(window.metrics, this.#ran, this.#waited, bandWidth);
      this.#windows++;
      this.#inBand += (Number(inBand) - this.#inBand) * Math.max(shareGain, 1 / this.#windows);
      this.#ran = 0;
      this.#waited = false;
    }
    this.#waited ||= waiting > 0;
  }

  /** What a user should know about his wishes; null while they are met. */
  advice(latencyP95Seconds: number): string | null {
    if (this.#windows < enough) return null;
    const late = Math.round(this.#late * 100);
    const level = Math.round(this.#inBand * 100);
    if (this.#late > 3 * allowedLate)
      return `${late}% of executions wait longer than ${latencyP95Seconds} s: more arrives than this budget allows to level`;
    if (this.#inBand < 0.5)
      return `only ${level}% of windows are in band: a latency budget above ${latencyP95Seconds} s or a wider band would level more`;
    return null;
  }
}
