import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createEstimator, restoreEstimator } from "../../../../core/workload/estimator/estimator.ts";
import type { WindowObservation } from "../../../../core/workload/types.ts";
import { costError, learn, traffic } from "./traffic.ts";

const anyNumber = fc.oneof(fc.double(), fc.integer({ min: -5, max: 200 }), fc.constantFrom(Number.NaN, 1e308, -0));
const anyBand = fc.record({ average: anyNumber, min: anyNumber, max: anyNumber });
const anyWindow: fc.Arbitrary<WindowObservation> = fc.record({
  key: fc.string(),
  epoch: fc.string(),
  endedAt: anyNumber,
  firstTick: anyNumber,
  ticks: fc.array(fc.array(fc.constantFrom("a", "b", "__proto__", ""), { maxLength: 4 }), { maxLength: 12 }),
  bounds: fc.constantFrom("exact", "inferred"),
  metrics: fc.record({ cpu: anyBand, io: anyBand, memory: anyBand }),
});

describe("the estimator", () => {
  it("takes any windows at all without throwing, and accounts for each", () => {
    fc.assert(
      fc.property(fc.array(anyWindow, { maxLength: 12 }), (windows) => {
        const estimator = createEstimator();
        const { accepted, rejected } = estimator.observe(windows);
        const faults = Object.values(rejected).reduce((sum, count) => sum + count, 0);
        expect(accepted + faults).toBeGreaterThanOrEqual(windows.length);
        const { costs, prior } = estimator.estimate();
        for (const { mean, sd } of [...costs.values(), prior])
          for (const value of [...mean, ...sd]) {
            expect(Number.isFinite(value)).toBe(true);
            expect(value).toBeGreaterThanOrEqual(0);
          }
        expect(restoreEstimator(estimator.save()).estimate().costs).toEqual(estimator.estimate().costs);
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  const { windows, truth } = traffic({ queries: 8, windows: 60, seed: 21 });

  it("gives the same estimates for any order and any repetition of windows", () => {
    const expected = learn(windows);
    fc.assert(
      fc.property(fc.shuffledSubarray([...windows, ...windows], { minLength: 2 * windows.length }), (shuffled) => {
        expect(learn(shuffled)).toEqual(expected);
      }),
      { numRuns: 8, seed: 2 },
    );
  });

  it("is not misled by a few windows that are wrong", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 59 }), fc.integer({ min: 1, max: 40 }), (at, by) => {
        const spoiled = windows.map((window, w) =>
          w === at
            ? { ...window, metrics: { ...window.metrics, cpu: { average: 50 + by, min: by, max: 300 + by } } }
            : window,
        );
        expect(costError(learn(spoiled).costs, truth)).toBeLessThan(0.01);
      }),
      { numRuns: 8, seed: 3 },
    );
  });
});
