/** Seconds that are remembered. */
const remembered = 180;
/** A second that brings so much of the largest one begins a clump, unless one began within the seconds before. */
const clumpShare = 0.5;
const clumpSeconds = 3;

/** How much work arrives on average, however it is bunched. */
export class Arrivals {
  /** CPU ms that arrived in each of the latest seconds. */
  readonly #work: number[] = [];
  #second = 0;

  /** @param workMs of an execution that arrived */
  add(workMs: number): void {
    this.#second += workMs;
  }

  closeSecond(): void {
    this.#work.push(this.#second);
    if (this.#work.length > remembered) this.#work.shift();
    this.#second = 0;
  }

  /**
   * CPU ms a second: what arrived from the first clump to just before the last one, over the time between them. Bursts at
   * equal distances thus give their mean as soon as two have come, and no ripple. Undefined before they span `seconds`.
   */
  mean(seconds: number): number | undefined {
    const largest = Math.max(...this.#work);
    if (!(largest > 0)) return this.#work.length >= seconds ? 0 : undefined;
    let first: number | undefined;
    let last = Number.NEGATIVE_INFINITY;
    for (const [second, work] of this.#work.entries()) {
      if (work < clumpShare * largest || second - last < clumpSeconds) continue;
      first ??= second;
      last = second;
    }
    if (first === undefined || last - first < seconds) return undefined;
    return this.#work.slice(first, last).reduce((sum, work) => sum + work, 0) / (last - first);
  }
}
