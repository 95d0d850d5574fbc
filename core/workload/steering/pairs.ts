import { averageOf, type Box, bandAround, inBand } from "./band.ts";
import { type Item, sumOf } from "./item.ts";

export type Pair = readonly [Item, Item];

/** Finds disjoint pairs of near-equal sums among `items` (most pressing first); O(n^2) a search for n items. */
export class PairSearch {
  readonly #items: readonly Item[];
  readonly #costs: Float64Array;
  readonly #neighbours: Int32Array[];
  readonly #degree: Int32Array;
  readonly #partner: Int32Array;
  readonly #count: Int32Array;

  constructor(items: readonly Item[]) {
    this.#items = items;
    const n = items.length;
    this.#costs = new Float64Array(3 * n);
    for (let i = 0; i < n; i++) this.#costs.set(items[i]?.cost ?? [0, 0, 0], 3 * i);
    this.#neighbours = Array.from({ length: n }, () => new Int32Array(n));
    this.#degree = new Int32Array(n);
    this.#partner = new Int32Array(n);
    this.#count = new Int32Array(n);
  }

  #connect(box: Box): number {
    const n = this.#items.length;
    const c = this.#costs;
    const [l0 = 0, l1 = 0, l2 = 0] = box.low;
    const [h0 = 0, h1 = 0, h2 = 0] = box.high;
    const degree = this.#degree.fill(0);
    for (let i = 0; i < n; i++) {
      const a0 = c[3 * i] ?? 0;
      const a1 = c[3 * i + 1] ?? 0;
      const a2 = c[3 * i + 2] ?? 0;
      for (let j = i + 1; j < n; j++) {
        const s0 = a0 + (c[3 * j] ?? 0);
        if (s0 < l0 || s0 > h0) continue;
        const s1 = a1 + (c[3 * j + 1] ?? 0);
        if (s1 < l1 || s1 > h1) continue;
        const s2 = a2 + (c[3 * j + 2] ?? 0);
        if (s2 < l2 || s2 > h2) continue;
        const ni = this.#neighbours[i];
        const nj = this.#neighbours[j];
        if (!ni || !nj) continue;
        ni[degree[i] ?? 0] = j;
        nj[degree[j] ?? 0] = i;
        degree[i] = (degree[i] ?? 0) + 1;
        degree[j] = (degree[j] ?? 0) + 1;
      }
    }
    this.#count.set(degree);
    return n;
  }

  /** Disjoint pairs whose sums lie in the box: of the first items first, or as many as can be found. */
  match(box: Box, many: boolean): Pair[] {
    const n = this.#connect(box);
    const degree = this.#degree;
    const partner = this.#partner.fill(-1);
    for (let turn = 0; turn < n; turn++) {
      let i = -1;
      if (many) {
        for (let v = 0; v < n; v++)
          if (partner[v] === -1 && (degree[v] ?? 0) > 0 && (i === -1 || (degree[v] ?? 0) < (degree[i] ?? 0))) i = v;
        if (i === -1) break;
      } else if (partner[turn] === -1) i = turn;
      else continue;
      let best = -1;
      const ni = this.#neighbours[i];
      const count = this.#count[i] ?? 0;
      for (let at = 0; at < count; at++) {
        const j = ni?.[at] ?? 0;
        if (partner[j] === -1 && (best === -1 || (degree[j] ?? 0) < (degree[best] ?? 0))) best = j;
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

  /** Matches `i` with a neighbour whose partner finds another one: an augmenting path of three edges. */
  #rematch(i: number): void {
    const partner = this.#partner;
    for (let at = 0; at < (this.#count[i] ?? 0); at++) {
      const j = this.#neighbours[i]?.[at] ?? 0;
      const k = partner[j] ?? -1;
      if (k === -1) continue;
      for (let to = 0; to < (this.#count[k] ?? 0); to++) {
        const l = this.#neighbours[k]?.[to] ?? 0;
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
    for (const [i, x] of this.#items.entries()) {
      const j = this.#partner[i] ?? -1;
      const y = this.#items[j];
      if (j > i && y) pairs.push([x, y]);
    }
    return pairs;
  }

  #leave(i: number): void {
    const ni = this.#neighbours[i];
    const count = this.#count[i] ?? 0;
    for (let at = 0; at < count; at++) {
      const j = ni?.[at] ?? 0;
      this.#degree[j] = (this.#degree[j] ?? 0) - 1;
    }
    this.#degree[i] = 0;
  }
}

export interface PairPlan {
  readonly pairs: readonly Pair[];
  readonly centre: readonly number[];
}

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
  for (const first of centres) {
    if (!inTime() && bestScore >= 0) break;
    for (const many of [false, true]) {
      let centre = first;
      for (let turn = 0; turn < 4; turn++) {
        const box = bandAround(centre, width);
        const pairs = search.match(box, many);
        if (many && pairs.length > need) {
          const weight = new Map(pairs.map((pair) => [pair, weightOf(pair[0]) + weightOf(pair[1])]));
          pairs.sort((a, b) => (weight.get(b) ?? 0) - (weight.get(a) ?? 0));
        }
        pairs.length = Math.min(need, pairs.length);
        if (pairs.length === 0) break;
        const usages = [...realised, ...pairs.map(sumOf)];
        const missing = need - pairs.length;
        for (let i = 0; i < missing; i++) usages.push([...centre]);
        if (inBand(usages, width)) {
          let score = 1000 * pairs.length;
          for (const pair of pairs) for (const item of pair) score += weightOf(item);
          if (score > bestScore) {
            bestScore = score;
            best = { pairs, centre };
          }
          break;
        }
        centre = averageOf(usages);
      }
      if (bestScore >= 1000 * need) break;
    }
  }
  return best;
}
