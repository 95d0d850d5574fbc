const unknownGain = 1 / 100;
const lateGain = 0.02;
const lateShareGain = 1 / 300;
/** Of executions beyond the budget: a p95 allows for 5%. */
const mostLate = 0.15;
const mostUnknown = 0.5;

/** What executions come to lately, on average. */
export class Tally {
  #late = 0;
  #lateShare = 0;
  #unknownShare = 0;

  /** Ticks by which starts come after what was planned. */
  get late(): number {
    return this.#late;
  }

  /** @param late ticks after what was planned; undefined of what was not */
  started(waitedTicks: number, budgetTicks: number, late: number | undefined): void {
    this.#lateShare += (Number(waitedTicks > budgetTicks) - this.#lateShare) * lateShareGain;
    if (late !== undefined) this.#late += (Math.max(0, late) - this.#late) * lateGain;
  }

  arrived(costKnown: boolean): void {
    this.#unknownShare += (Number(!costKnown) - this.#unknownShare) * unknownGain;
  }

  forgetUnknown(): void {
    this.#unknownShare = 0;
  }

  /** Why planning by the costs known would do harm; null when it would not. */
  get doubt(): string | null {
    if (this.#unknownShare <= mostUnknown) return null;
    return `the costs of ${percent(this.#unknownShare)} of the executions are unknown: nothing is delayed until they are`;
  }

  /** What a person should know of delays; null when nothing. */
  advice(budgetSeconds: number): string | null {
    if (this.#lateShare <= mostLate) return null;
    return `${percent(this.#lateShare)} of executions wait longer than ${budgetSeconds} s: more arrives than this budget allows to level`;
  }
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}
