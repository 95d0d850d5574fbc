import { describe, expect, it } from "@jest/globals";
import { changed } from "../../../../lambdas/workload/estimate-costs/changed.ts";

const stored = { mean: [70, 30, 30], sd: [1, 1, 1], seen: 100, lastSeenAt: 0 } as const;

describe("a cost is written", () => {
  it.each([
    ["when it is new", undefined, stored, true],
    ["not when nothing moved", stored, stored, false],
    ["not when only the time moved", stored, { ...stored, lastSeenAt: 9 }, false],
    ["not for a tenth of its deviation", stored, { ...stored, mean: [70.1, 30, 30] as const }, false],
    ["for more than that, in any resource", stored, { ...stored, mean: [70, 30, 30.11] as const }, true],
    ["when it is a tenth surer", stored, { ...stored, sd: [1, 0.89, 1] as const }, true],
    ["when it was seen half as often again", stored, { ...stored, seen: 150 }, true],
    ["when it is first known how long it lasts", stored, { ...stored, durationMs: 40 }, true],
    ["when it lasts longer", { ...stored, durationMs: 40 }, { ...stored, durationMs: 42 }, true],
    ["not when it lasts a hundredth longer", { ...stored, durationMs: 40 }, { ...stored, durationMs: 40.4 }, false],
    ["not when it was seen a little more", stored, { ...stored, seen: 149 }, false],
  ])("%s", (_, before, after, expected) => {
    expect(changed(before, after)).toBe(expected);
  });

  it("not for rounding where it is known exactly", () => {
    const exact = { ...stored, sd: [0, 0, 0] as const };
    expect(changed(exact, { ...exact, mean: [70.005, 30, 30] })).toBe(false);
    expect(changed(exact, { ...exact, mean: [71, 30, 30] })).toBe(true);
  });
});
