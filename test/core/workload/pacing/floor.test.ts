import { describe, expect, it } from "@jest/globals";
import { floorOf, promiseOf } from "../../../../core/workload/pacing/floor.ts";

const profiles = (...works: readonly (readonly [workMs: number, durationMs?: number])[]) =>
  new Map(works.map(([workMs, durationMs = workMs], at) => [`q${at}`, { workMs, durationMs, sdMs: 0 }]));

describe("the floor of a band", () => {
  it("is set by the longest query's scatter where all else fits", () => {
    const floor = floorOf(profiles([242], [80], [6]), 900, 100, 1_000);
    expect(floor?.width).toBeCloseTo((1.64 * 0.15 * 242) / 900);
    expect(floor?.reason).toBe(
      "the longest query (q0, 242 CPU ms) cannot be split, nor is it always the same, in a second of 900 ms",
    );
  });

  it("is what a long query exceeds the level by, however it lies", () => {
    // Half of it in each of two seconds; of four seconds' work a whole one in each.
    expect(floorOf(profiles([800], [10]), 200, 50, 1_000)?.width).toBeCloseTo(450 / 200 - 1);
    expect(floorOf(profiles([3_600, 4_000], [10]), 300, 50, 1_000)?.width).toBeCloseTo(950 / 300 - 1);
  });

  it("is half of the smallest query where no smaller one fills a second up", () => {
    expect(floorOf(profiles([50], [60]), 60, 0, 1_000)?.width).toBeCloseTo(25 / 60);
  });

  it("is not known of nothing, nor without a level", () => {
    expect(floorOf(new Map(), 300, 0, 1_000)).toBeUndefined();
    expect(floorOf(profiles([10]), 0, 0, 1_000)).toBeUndefined();
  });

  it("gives the nearest whole percent that can be promised where less was wished, and why", () => {
    const promised = (width: number) => promiseOf({ width, reason: "the longest query is too long" }, 0.05);
    expect([0.066, 0.07, 3].map((width) => promised(width).width)).toEqual([0.07, 0.07, 0.99]);
    expect(promised(0.066).why).toBe(
      "a band of ±5% cannot be kept: the longest query is too long; the nearest promise is ±7%",
    );
    expect([promised(0.05), promiseOf(undefined, 0.1)]).toEqual([
      { width: 0.05, why: null },
      { width: 0.1, why: null },
    ]);
  });
});
