/** Seconds that are remembered. */
const remembered = 180;
/** A second that brings so much of the largest one begins a clump, unless one began within the seconds before. */
const clumpShare = 0.5;
const clumpSeconds = 3;
/** Distances between clumps whose middle half lies within this factor count as equal. */
const equalShare = 1.15;

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
   * equal distances thus give their mean as soon as two have come, and no ripple. Where distances are equal, a longer one
   * is left out: a pause, or a time in which what nobody held came bit by bit, as a pool of connections let it. Undefined
   * before clumps span `seconds`.
   */
  mean(seconds: number): number | undefined {
    const largest = Math.max(...this.#work);
    if (!(largest > 0)) return this.#work.length >= seconds ? 0 : undefined;
    const clumps: number[] = [];
    for (const [second, work] of this.#work.entries()) {
      if (work < clumpShare * largest || second - (clumps.at(-1) ?? Number.NEGATIVE_INFINITY) < clumpSeconds) continue;
      clumps.push(second);
    }
    const [first = 0, last = 0] = [clumps[0], clumps.at(-1)];
    if (last - first < seconds) return undefined;
    const distances = clumps.slice(1).map((second, at) => second - (clumps[at] ?? 0));
    const usual = usualOf(distances);
    let [work, time] = [0, 0];
    for (const [at, distance] of distances.entries()) {
      if (distance > usual) continue;
      const from = clumps[at] ?? 0;
      for (const arrived of this.#work.slice(from, from + distance)) work += arrived;
      time += distance;
    }
    return work / time;
  }
}

/** The median of distances that are equal but for a few; infinite of others. */
function usualOf(distances: readonly number[]): number {
  const ascending = distances.toSorted((a, b) => a - b);
  const at = (share: number) => ascending[Math.floor(share * ascending.length)] ?? 0;
  return ascending.length >= 4 && at(0.75) <= equalShare * at(0.25) ? equalShare * at(0.5) : Number.POSITIVE_INFINITY;
}
