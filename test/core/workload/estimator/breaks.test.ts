import { describe, expect, it } from "@jest/globals";
import { createEstimator } from "../../../../core/workload/estimator/estimator.ts";
import type { Triple } from "../../../../core/workload/types.ts";
import { costError, type TrafficOptions, traffic } from "./traffic.ts";

const before = 70;

/** Costs of `share` of 20 queries `factor` times as much from window 70 on; estimates after so many windows. */
function learnThrough(share: number, factor: number, marks: readonly number[], options: Partial<TrafficOptions> = {}) {
  const change = ([a, b, c]: Triple, query: number, window: number): Triple =>
    query < share * 20 && window >= before ? [factor * a, factor * b, factor * c] : [a, b, c];
  const { windows, truth } = traffic({ queries: 20, windows: Math.max(...marks), seed: 41, change, ...options });
  return (afreshUpTo: number) => {
    const estimator = createEstimator({ afreshUpTo });
    let from = 0;
    return marks.map((to) => {
      estimator.observe(windows.slice(from, to));
      from = to;
      const { costs, quality } = estimator.estimate();
      return { error: costError(costs, truth), windows: quality.windows ?? 0, changed: quality.changedQueries };
    });
  };
}

describe("costs that all change at once", () => {
  it.each([
    ["a small memory", 12_000],
    ["a large one", 300],
  ])("let %s begin anew", (_, afreshUpTo) => {
    const [old, few, more] = learnThrough(1, 2, [70, 85, 130])(afreshUpTo);
    expect(old?.windows).toBe(70);
    // Too few windows to tell: the old costs stay rather than that some be taken for changed.
    expect(few?.changed).toBe(0);
    expect(few?.windows).toBe(85);
    expect(more?.windows).toBe(60);
    expect(more?.error).toBeLessThan(0.001);
  });

  it("are told from single costs that change", () => {
    const [, , last] = learnThrough(0.1, 2, [70, 85, 130])(12_000);
    expect(last?.windows).toBe(130);
    expect(last?.changed).toBe(2);
    expect(last?.error).toBe(0);
  });

  it("are told from executions that are no longer seen", () => {
    const options = { queries: 20, windows: 130, seed: 42 };
    const { windows, truth } = traffic(options);
    const blind = windows.map((window, w) =>
      w < before ? window : { ...window, ticks: window.ticks.map((tick, t) => (t % 4 === 1 ? [] : tick)) },
    );
    const estimator = createEstimator();
    estimator.observe(blind);
    const { costs, quality } = estimator.estimate();
    expect(quality.windows).toBe(130);
    expect(costError(costs, truth)).toBeLessThan(0.05);
  });
});
