import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { type Range, RangeSet } from "../../platform/range-set.ts";

const range = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 10 }))
  .map(([first, more]): Range => ({ first, last: first + more }));
const change = fc.record({ remove: fc.boolean(), range });

function numbers({ first, last }: Range): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, offset) => first + offset);
}

describe("RangeSet", () => {
  it("is a set of numbers, held as ranges that do not touch", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), range, (changes, asked) => {
        const set = new RangeSet();
        const model = new Set<number>();
        for (const { remove, range } of changes) {
          remove ? set.remove(range) : set.add(range);
          for (const number of numbers(range)) remove ? model.delete(number) : model.add(number);
        }
        expect(set.ranges.flatMap(numbers)).toEqual([...model].sort((a, b) => a - b));
        expect(set.size).toBe(model.size);
        for (const [index, { first }] of set.ranges.entries()) {
          expect(first).toBeGreaterThan((set.ranges[index - 1]?.last ?? -1) + 1);
        }
        expect(set.within(asked).flatMap(numbers)).toEqual(numbers(asked).filter((number) => model.has(number)));
        expect(set.missing(asked).flatMap(numbers)).toEqual(numbers(asked).filter((number) => !model.has(number)));
        for (const number of numbers(asked)) expect(set.has(number)).toBe(model.has(number));
      }),
      { seed: 1, numRuns: 2_000 },
    );
  });
});
