import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { bandAround, contains, inBand } from "../../../../core/workload/steering/band.ts";
import { sumOf } from "../../../../core/workload/steering/item.ts";
import { nearest } from "../../../../core/workload/steering/level.ts";
import { PairSearch, planPairs } from "../../../../core/workload/steering/pairs.ts";
import { findBoxes } from "../../../../core/workload/steering/singles.ts";
import type { Triple } from "../../../../core/workload/types.ts";
import { itemsOf } from "./items.ts";

const cost = fc.tuple(
  fc.integer({ min: 30, max: 70 }),
  fc.integer({ min: 30, max: 70 }),
  fc.integer({ min: 30, max: 70 }),
);
const costs = (max: number) => fc.array(cost, { minLength: 2, maxLength: max });

/** The most items that one box holds, by trying every corner that three items' costs make. */
function fullest(all: readonly Triple[], ratio: number): number {
  let most = 0;
  for (const [a] of all)
    for (const [, b] of all)
      for (const [, , c] of all) {
        const low = [a, b, c];
        const inside = all.filter((x) => contains({ low, high: low.map((l) => l * ratio) }, x));
        most = Math.max(most, inside.length);
      }
  return most;
}

describe("the sweep for boxes", () => {
  const swept = (all: readonly Triple[], width: number) =>
    Math.max(1, ...findBoxes(itemsOf(all), width, 2).map((box) => box.length));

  it("finds the fullest one, as trying all corners does", () => {
    fc.assert(fc.property(costs(14), (all) => swept(all, 0.1) === Math.max(1, fullest(all, 1.1 / 0.9))));
  });

  it("would be caught if it looked at narrower boxes only", () => {
    const narrow = fc.property(costs(14), (all) => swept(all, 0.05) === Math.max(1, fullest(all, 1.1 / 0.9)));
    expect(fc.check(narrow, { seed: 1 }).failed).toBe(true);
  });
});

describe("the search for pairs", () => {
  it("returns disjoint pairs that make a window in band", () => {
    fc.assert(
      fc.property(costs(24), (all) => {
        const items = itemsOf(all);
        const { pairs } = planPairs({
          search: new PairSearch(items),
          centres: [[100, 100, 100], sumOf(items.slice(0, 2))],
          realised: [],
          need: 5,
          width: 0.1,
          weightOf: () => 1,
          inTime: () => true,
        });
        const used = pairs.flat();
        expect(new Set(used).size).toBe(used.length);
        if (pairs.length === 5) expect(inBand(pairs.map(sumOf), 0.1)).toBe(true);
      }),
    );
  });

  /** Half of the items that have a partner, by trying each with each. */
  const partnered = (all: readonly Triple[], width: number) => {
    const items = itemsOf(all);
    const box = bandAround([100, 95, 90], width);
    const some = items.filter((a) => items.some((b) => a !== b && contains(box, sumOf([a, b]))));
    return Math.floor(some.length / 2);
  };
  const atMost = (all: readonly Triple[]) => new PairSearch(itemsOf(all)).atMost(bandAround([100, 95, 90], 0.1));

  it("sees each pair whose sum lies in the box, as trying each with each does", () => {
    fc.assert(fc.property(costs(24), (all) => atMost(all) === partnered(all, 0.1)));
  });

  it("would be caught if it missed the box's edge", () => {
    const narrow = fc.property(costs(24), (all) => atMost(all) === partnered(all, 0.09));
    expect(fc.check(narrow, { seed: 1 }).failed).toBe(true);
  });

  it("finds all pairs where each item has exactly one partner", () => {
    const items = itemsOf([
      [40, 40, 40],
      [60, 60, 60],
      [30, 50, 50],
      [70, 50, 50],
      [50, 30, 45],
      [50, 70, 55],
    ]);
    expect(new PairSearch(items).match(bandAround([100, 100, 100], 0.005), true)).toHaveLength(3);
  });
});

describe("the nearest sum", () => {
  it("is found where the oldest ones make it", () => {
    const items = itemsOf([
      [50, 50, 50],
      [50, 50, 50],
      [50, 50, 50],
      [50, 50, 50],
    ]);
    expect(
      nearest(items, [100, 100, 100], 0.03, ({ arrivedTick }) => 0.1 / (1 + arrivedTick)).map(({ id }) => id),
    ).toEqual(["e0", "e1"]);
  });

  it("exchanges what does not fit", () => {
    const items = itemsOf([
      [70, 30, 30],
      [70, 30, 30],
      [30, 70, 70],
    ]);
    const chosen = nearest(items, [100, 100, 100], 0.03, () => 0.01);
    expect(sumOf(chosen)).toEqual([100, 100, 100]);
  });
});
