import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type Candidate, chooseSubset } from "../../../../core/workload/pacing/choose.ts";

const candidate = fc.record({
  size: fc.double({ min: 1, max: 250, noNaN: true }),
  value: fc.double({ min: 0, max: 10, noNaN: true }),
});
const candidates = fc.array(candidate, { minLength: 1, maxLength: 10 });
const gap = fc.double({ min: 20, max: 900, noNaN: true });

const sumOf = (all: readonly Candidate[], chosen: readonly number[], of: "size" | "value") =>
  chosen.reduce((sum, at) => sum + (all[at]?.[of] ?? Number.NaN), 0);

function* subsets(count: number): Generator<number[]> {
  for (let mask = 0; mask < 2 ** count; mask++)
    yield Array.from({ length: count }, (_, at) => at).filter((at) => mask & (1 << at));
}

/** Of all subsets the one that comes nearest to the gap, by trying each. */
function nearest(all: readonly Candidate[], wanted: number): number {
  let least = wanted;
  for (const chosen of subsets(all.length)) least = Math.min(least, Math.abs(sumOf(all, chosen, "size") - wanted));
  return least;
}

/** Half a cell for each that is chosen, where ten are, and the share within which sums count as equal. */
const allowed = 0.015 + 0.5 * (10 / 240) + 1e-9;

describe("the subset that fills a gap", () => {
  it("comes as near as trying all subsets does, but for the grid", () => {
    fc.assert(
      fc.property(candidates, gap, (all, wanted) => {
        const chosen = chooseSubset(all, wanted);
        expect(new Set(chosen).size).toBe(chosen.length);
        const off = Math.abs(sumOf(all, chosen, "size") - wanted);
        expect(off).toBeLessThanOrEqual(nearest(all, wanted) + 2 * allowed * wanted);
      }),
    );
  });

  it("would be caught if it took the oldest until the gap is full", () => {
    const greedy = fc.property(candidates, gap, (all, wanted) => {
      let sum = 0;
      for (const { size } of all) if (sum + size <= wanted) sum += size;
      return Math.abs(sum - wanted) <= nearest(all, wanted) + 2 * allowed * wanted;
    });
    expect(fc.check(greedy, { seed: 1 }).failed).toBe(true);
  });

  it("exceeds the gap rather than leaving more of it, but not where that costs more", () => {
    const all = [{ size: 110, value: 1 }];
    expect([chooseSubset(all, 100), chooseSubset(all, 100, 12)]).toEqual([[0], []]);
  });

  it("prefers the more valuable of what fills it equally", () => {
    const all = [10, 30, 20].map((value) => ({ size: 50, value }));
    expect(chooseSubset(all, 100)).toEqual([1, 2]);
  });

  it("chooses nothing for no gap, and nothing where all is far larger than it", () => {
    expect(chooseSubset([{ size: 1, value: 1 }], 0)).toEqual([]);
    expect(chooseSubset([{ size: 100, value: 1 }], 10)).toEqual([]);
  });
});
