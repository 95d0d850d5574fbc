import { describe, expect, it } from "@jest/globals";
import {
  createEstimator,
  type Estimates,
  type EstimatorOptions,
  restoreEstimator,
} from "../../../../core/workload/estimator/estimator.ts";
import type { Triple, WindowObservation } from "../../../../core/workload/types.ts";
import { costError, learn, type TrafficOptions, traffic } from "./traffic.ts";

/** An estimate goes on from the last one beyond 80 windows. */
const onward: EstimatorOptions = { afreshUpTo: 800 };

/** Estimates after every `every` windows, each going on from the last one. */
function learnOnward(windows: readonly WindowObservation[], every: number, options = onward) {
  const estimator = createEstimator(options);
  const estimates: Estimates[] = [];
  for (let from = 0; from < windows.length; from += every) {
    estimator.observe(windows.slice(from, from + every));
    estimates.push(estimator.estimate());
  }
  return { estimator, estimates, last: estimates.at(-1) ?? estimator.estimate() };
}

/** Share of costs that differ by more than half a standard deviation (and 0.05). */
function differing({ costs }: Estimates, other: Estimates): number {
  const far = Array.from(other.costs, ([id, { mean, sd }]) =>
    mean.map((value, r) => Math.abs(value - (costs.get(id)?.mean[r] ?? 0)) > 0.5 * (sd[r] ?? 0) + 0.05),
  ).flat();
  return far.filter(Boolean).length / far.length;
}

const tolerated = 0.02;

describe("estimates that go on from the last one", () => {
  const worlds: [string, Partial<TrafficOptions>][] = [
    ["integer costs", {}],
    [
      "costs that are no integers",
      { costs: (uniform): Triple => [20 + 60 * uniform(), 50 * uniform(), 30 * uniform()] },
    ],
    ["bounds that are not told", { jitter: true }],
  ];
  it.each(worlds)("are what learning afresh gives: %s", (_, options) => {
    const { windows } = traffic({ queries: 80, windows: 130, seed: 31, ...options });
    const { last, estimates } = learnOnward(windows, 33);
    const afresh = learn(windows);
    expect(differing(last, afresh)).toBeLessThanOrEqual(tolerated);
    expect(last.quality.integer).toBe(afresh.quality.integer);
    // The planted fault: an estimate that has read the first windows only.
    const [stale = last] = estimates;
    expect(differing(stale, afresh)).toBeGreaterThan(tolerated);
  });

  it("relearn a cost that changed, and leave the others alone", () => {
    const { windows, truth } = traffic({
      queries: 15,
      windows: 160,
      seed: 5,
      change: (cost, query, window) => (query === 7 && window >= 120 ? [2 * cost[0], 3 * cost[1], cost[2]] : cost),
    });
    const { last } = learnOnward(windows, 20, { afreshUpTo: 660 });
    expect(last.quality.changedQueries).toBe(1);
    expect(costError(last.costs, truth)).toBe(0);
  });

  it("take work that grows with what is new", () => {
    const { windows } = traffic({ queries: 80, windows: 103, seed: 32 });
    const { estimator } = learnOnward(windows.slice(0, 100), 50, { afreshUpTo: 660 });
    estimator.observe(windows.slice(100));
    const few = estimator.estimate().quality.work ?? 0;
    expect(few).toBeLessThan((learn(windows).quality.work ?? 0) / 5);
  });

  it("are the same from a saved state", () => {
    const { windows } = traffic({ queries: 60, windows: 80, seed: 33 });
    const options = { afreshUpTo: 0 };
    const { estimator } = learnOnward(windows.slice(0, 60), 60, options);
    const restored = restoreEstimator(estimator.save(), options);
    estimator.observe(windows.slice(60));
    restored.observe(windows.slice(60));
    expect(restored.estimate()).toEqual(estimator.estimate());
    // The planted fault: begun anew, it is near but not the same.
    expect(learn(windows).costs).not.toEqual(estimator.estimate().costs);
  });

  it("leave to the next what there is no time for", () => {
    const { windows } = traffic({ queries: 40, windows: 60, seed: 34 });
    const afresh = learn(windows);
    const estimator = createEstimator({ afreshUpTo: 0, mostWork: 6_000 });
    estimator.observe(windows);
    const first = estimator.estimate();
    expect(first.quality.work).toBeLessThan(7_500);
    expect(differing(first, afresh)).toBeGreaterThan(tolerated);
    let last = first;
    for (let run = 0; run < 8; run++) last = estimator.estimate();
    expect(differing(last, afresh)).toBeLessThanOrEqual(tolerated);
  });

  it("are refused a state whose factors are damaged", () => {
    const { windows } = traffic({ queries: 3, windows: 3, seed: 35 });
    const { estimator } = learnOnward(windows, 3, { afreshUpTo: 0 });
    const text = new TextDecoder().decode(estimator.save());
    const restore = (of: string) => restoreEstimator(new TextEncoder().encode(of), onward);
    expect(() => restore(text)).not.toThrow();
    expect(() => restore(text.replace(/"[A-Za-z0-9+/=]{100,}"/, '"AAAA"'))).toThrow("factors that are not");
    expect(() => restore(text.replace(/"[A-Za-z0-9+/=]{100,}"/, '"?"'))).toThrow("not an estimator's state");
    expect(() => restore(text.replace('"components":[[', '"components":[["x",'))).toThrow("not an estimator's state");
  });
});
