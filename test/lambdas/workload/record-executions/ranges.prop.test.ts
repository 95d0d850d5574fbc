import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { contiguousRanges } from "../../../../lambdas/workload/record-executions/ranges.ts";

const numbers = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 60 });

/** Every number covered, and no other. */
function covers(ranges: readonly { first: number; last: number }[], wanted: readonly number[]): boolean {
  const covered = ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, k) => first + k));
  return JSON.stringify(covered) === JSON.stringify([...new Set(wanted)].sort((a, b) => a - b));
}

describe("contiguousRanges", () => {
  it("covers exactly the numbers, with ranges that are neither too long nor more than needed", () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: 1, max: 70 }), (wanted, longest) => {
        const ranges = contiguousRanges(wanted, longest);
        expect(covers(ranges, wanted)).toBe(true);
        for (const [index, { first, last }] of ranges.entries()) {
          expect(last - first).toBeLessThan(longest);
          const next = ranges[index + 1];
          if (next && next.first === last + 1) expect(last - first + 1).toBe(longest);
        }
      }),
    );
  });

  it("would be caught covering a number that was not recorded", () => {
    const lowestToHighest = (wanted: readonly number[]) => [{ first: Math.min(...wanted), last: Math.max(...wanted) }];
    expect(covers(lowestToHighest([1, 2, 4]), [1, 2, 4])).toBe(false);
    expect(covers(contiguousRanges([1, 2, 4], 10), [1, 2, 4])).toBe(true);
  });
});
