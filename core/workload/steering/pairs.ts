import { averageOf, type Box, bandAround, contains } from "./band.ts";
import { type Item, sumOf } from "./item.ts";

export type Pair = readonly [Item, Item];

/**
 * Finds disjoint pairs of near-equal sums among `items` (most pressing first): those whose sums lie in a box are a
 * graph's edges. O(n^2) a box for n items.
 */
export class PairSearch {
  readonly #items: readonly Item[];
  /** The items in ascending order of cpu, and their costs in that order, three each. */
  readonly #order: Int32Array;
  readonly #costs: Float64Array;
  /** Of the last box: each item's neighbours, n places each, and how many they are. */
  readonly #neighbours: Int32Array;
  readonly #count: Int32Array;
  /** Neighbours not matched yet, where that is asked for. */
  readonly #degree: Int32Array;
  readonly #partner: Int32Array;
  #connected: Box | undefined;

  constructor(items: readonly Item[]) {
    this.#items = items;
    const n = items.length;
    const cpu = items.map(({ cost }) => cost[0]);
    this.#order = Int32Array.from(items.keys()).sort((a, b) => (cpu[a] ?? 0) - (cpu[b] ?? 0));
    this.#costs = new Float64Array(3 * n);
    for (const [at, i] of this.#order.entries()) this.#costs.set(items[i]?.cost ?? [0, 0, 0], 3 * at);
    this.#neighbours = new Int32Array(n * n);
    this.#count = new Int32Array(n);
    this.#degree = new Int32Array(n);
    this.#partner = new Int32Array(n);
  }

  /** At most so many disjoint pairs have their sums in the box: half of those that have a partner at all. */
  atMost(box: Box): number {
    this.#connect(box);
    let some = 0;
    for (const count of this.#count) if (count > 0) some++;
    return some >> 1;
  }

  /** Disjoint pairs whose sums lie in the box: of the first items first, or as many as can be found. */
  match(box: Box, many: boolean): Pair[] {
    this.#connect(box);
    const n = this.#items.length;
    const degree = this.#degree;
    degree.set(this.#count);
    const partner = this.#partner.fill(-1);
    for (let turn = 0; turn < n; turn++) {
      const i = many ? this.#loneliest() : turn;
      if (i < 0) break;
      if (partner[i] !== -1) continue;
      let best = -1;
      for (let at = n * i, end = at + (this.#count[i] ?? 0); at < end; at++) {
        const j = this.#neighbours[at] ?? 0;
        if (partner[j] === -1 && (best === -1 || this.#before(j, best))) best = j;
      }
      if (best === -1) {
        this.#rematch(i);
        continue;
      }
      partner[i] = best;
      partner[best] = i;
      if (many) {
        this.#leave(i);
        this.#leave(best);
      }
    }
    for (let i = 0; many && i < n; i++) if (partner[i] === -1) this.#rematch(i);
    return this.#matched();
  }

  #connect(box: Box): void {
    if (this.#connected === box) return;
    this.#connected = box;
    const n = this.#items.length;
    const c = this.#costs;
    const [l0 = 0, l1 = 0, l2 = 0] = box.low;
    const [h0 = 0, h1 = 0, h2 = 0] = box.high;
    const count = this.#count.fill(0);
    // In order of cpu the partners of each lie side by side, the farther down the dearer it is.
    let from = n;
    for (let a = 0; a < n; a++) {
      const [a0, a1, a2] = [c[3 * a] ?? 0, c[3 * a + 1] ?? 0, c[3 * a + 2] ?? 0];
      while (from > 0 && a0 + (c[3 * from - 3] ?? 0) >= l0) from--;
      for (let b = Math.max(from, a + 1); b < n && a0 + (c[3 * b] ?? 0) <= h0; b++) {
        const s1 = a1 + (c[3 * b + 1] ?? 0);
        if (s1 < l1 || s1 > h1) continue;
        const s2 = a2 + (c[3 * b + 2] ?? 0);
        if (s2 < l2 || s2 > h2) continue;
        const [i, j] = [this.#order[a] ?? 0, this.#order[b] ?? 0];
        const [ci, cj] = [count[i] ?? 0, count[j] ?? 0];
        this.#neighbours[n * i + ci] = j;
        this.#neighbours[n * j + cj] = i;
        count[i] = ci + 1;
        count[j] = cj + 1;
      }
    }
  }

  /** Of those left with a neighbour the one with the fewest; -1: none. */
  #loneliest(): number {
    let best = -1;
    for (let i = 0; i < this.#items.length; i++)
      if (this.#partner[i] === -1 && (this.#degree[i] ?? 0) > 0 && (best === -1 || this.#before(i, best))) best = i;
    return best;
  }

  /** Fewer neighbours first, then the more pressing. */
  #before(i: number, j: number): boolean {
    const [di, dj] = [this.#degree[i] ?? 0, this.#degree[j] ?? 0];
    return di < dj || (di === dj && i < j);
  }

  /** Matches `i` with a neighbour whose partner finds another one: an augmenting path of three edges. */
  #rematch(i: number): void {
    const n = this.#items.length;
    const partner = this.#partner;
    for (let at = n * i, end = at + (this.#count[i] ?? 0); at < end; at++) {
      const j = this.#neighbours[at] ?? 0;
      const k = partner[j] ?? -1;
      if (k === -1) continue;
      for (let to = n * k, last = to + (this.#count[k] ?? 0); to < last; to++) {
        const l = this.#neighbours[to] ?? 0;
        if (l === i || partner[l] !== -1) continue;
        partner[i] = j;
        partner[j] = i;
        partner[k] = l;
        partner[l] = k;
        return;
      }
    }
  }

  /** The pairs in the order of their first items. */
  #matched(): Pair[] {
    const pairs: Pair[] = [];
    for (let i = 0; i < this.#items.length; i++) {
      const j = this.#partner[i] ?? -1;
      const [x, y] = [this.#items[i], this.#items[j]];
      if (j > i && x && y) pairs.push([x, y]);
    }
    return pairs;
  }

  #leave(i: number): void {
    const n = this.#items.length;
    for (let at = n * i, end = at + (this.#count[i] ?? 0); at < end; at++) {
      const j = this.#neighbours[at] ?? 0;
      this.#degree[j] = (this.#degree[j] ?? 0) - 1;
    }
    this.#degree[i] = 0;
  }
}

export interface PairPlan {
  readonly pairs: readonly Pair[];
  readonly centre: readonly number[];
}

/** Times that a tried average is moved to what its pairs make. */
const mostMoves = 4;

/**
 * The best pairs for a window's remaining ticks: tries centres, moves each to the average that its pairs make, and
 * keeps what fills most ticks, then what takes the most pressing. Whatever it returns is in band together with `realised`,
 * if what is missing to `need` comes near the centre.
 */
export function planPairs(problem: {
  readonly search: PairSearch;
  readonly centres: readonly (readonly number[])[];
  readonly realised: readonly (readonly number[])[];
  readonly need: number;
  readonly width: number;
  readonly weightOf: (item: Item) => number;
  readonly inTime: () => boolean;
}): PairPlan {
  const { search, centres, realised, need, width, weightOf, inTime } = problem;
  let best: PairPlan = { pairs: [], centre: centres[0] ?? [0, 0, 0] };
  let bestScore = -1;
  const weightOfPair = ([a, b]: Pair) => weightOf(a) + weightOf(b);
  for (const first of centres) {
    if (!inTime() && bestScore >= 0) break;
    const firstBox = bandAround(first, width);
    for (const many of [false, true]) {
      let centre = first;
      let box = firstBox;
      for (let turn = 0; turn < mostMoves; turn++) {
        // What cannot fill as many ticks as the best so far is not worth matching.
        if (search.atMost(box) < Math.max(1, Math.min(need, best.pairs.length))) break;
        const pairs = search.match(box, many);
        if (many && pairs.length > need) pairs.sort((a, b) => weightOfPair(b) - weightOfPair(a));
        pairs.length = Math.min(need, pairs.length);
        if (pairs.length === 0) break;
        const missing = Array.from({ length: need - pairs.length }, () => centre);
        const usages = [...realised, ...pairs.map(sumOf), ...missing];
        const average = averageOf(usages);
        const band = bandAround(average, width);
        if (usages.every((usage) => contains(band, usage))) {
          const score = pairs.reduce((sum, pair) => sum + weightOfPair(pair), 1000 * pairs.length);
          if (score > bestScore) {
            bestScore = score;
            best = { pairs, centre };
          }
          break;
        }
        centre = average;
        box = band;
      }
      if (bestScore >= 1000 * need) break;
    }
  }
  return best;
}
