import { describe, expect, it } from "@jest/globals";
import { createEstimator, restoreEstimator } from "../../../../core/workload/estimator/estimator.ts";
import type { Triple, WindowObservation } from "../../../../core/workload/types.ts";
import { costError, learn, traffic } from "./traffic.ts";

describe("createEstimator", () => {
  it("knows nothing before the first window", () => {
    const { costs, prior } = createEstimator().estimate();
    expect(costs.size).toBe(0);
    expect(prior.sd.every((sd) => sd > 0)).toBe(true);
  });

  it("learns integer costs exactly from averages, minima and maxima", () => {
    const { windows, truth } = traffic({ queries: 12, windows: 40, seed: 1 });
    const { costs, quality } = learn(windows);
    for (const [id, cost] of truth) expect(costs.get(id)?.mean).toEqual(cost);
    expect(quality.exactShare).toBe(1);
    // The planted fault: without the extremes, floored averages do not tell integers.
    const averagesOnly = windows.map(({ metrics, ...window }) => ({
      ...window,
      metrics: mapBands(metrics, ({ average }) => ({ average, min: 0, max: 1e6 })),
    }));
    expect(costError(learn(averagesOnly).costs, truth)).toBeGreaterThan(0.005);
  });

  it("takes no costs for integers that are none", () => {
    const fractional = (uniform: () => number): Triple => [
      20 + 60 * uniform(),
      20 + 60 * uniform(),
      20 + 60 * uniform(),
    ];
    const { windows, truth } = traffic({ queries: 12, windows: 120, seed: 2, costs: fractional });
    const { costs, quality } = learn(windows);
    expect(quality.integer).toBe(0);
    expect(costError(costs, truth)).toBeLessThan(0.005);
    for (const [id, cost] of truth)
      cost.forEach((value, r) => {
        expect(Math.abs((costs.get(id)?.mean[r] ?? 0) - value)).toBeLessThan(5 * (costs.get(id)?.sd[r] ?? 0));
      });
  });

  const fractional = (uniform: () => number): Triple => [20 + 60 * uniform(), 50 * uniform(), 30 * uniform()];
  const few: [string, { queries: number; windows: number; rate?: number }][] = [
    ["80 windows of 120 queries", { queries: 120, windows: 80 }],
    ["100 windows of 120 queries", { queries: 120, windows: 100 }],
    // Most extremes are those of a single execution, always rounded to the same integer.
    ["windows in which hardly anything ran", { queries: 40, windows: 250, rate: 0.1 }],
  ];
  it.each(few)("takes no costs for integers as only rounded sums are known: %s", (_, world) => {
    const { windows, truth } = traffic({ seed: 31, costs: fractional, ...world });
    const { costs, quality } = learn(windows);
    expect(quality.integer).toBe(0);
    const far = Array.from(costs, ([id, { mean, sd }]) =>
      mean.filter((value, r) => Math.abs(value - (truth.get(id)?.[r] ?? 0)) > 5 * (sd[r] ?? 0)),
    ).flat();
    expect(far).toEqual([]);
  });

  it("takes costs for integers that are some", () => {
    expect(learn(traffic({ seed: 31, queries: 120, windows: 100 }).windows).quality.integer).toBe(1);
  });

  it("finds where windows of a server without stamps lie", () => {
    const { windows, truth } = traffic({ queries: 20, windows: 120, seed: 3, jitter: true });
    expect(costError(learn(windows).costs, truth)).toBeLessThan(0.002);
    // The planted fault: taken at their word, the same windows mislead.
    const misled = learn(windows.map((window) => ({ ...window, bounds: "exact" })));
    expect(costError(misled.costs, truth)).toBeGreaterThan(0.02);
  });

  it("is not poisoned by executions that ran unseen", () => {
    const { windows, truth } = traffic({ queries: 20, windows: 200, seed: 4, unseen: 0.05 });
    const { costs, quality } = learn(windows);
    expect(costError(costs, truth)).toBeLessThan(0.01);
    expect(quality.unseenShare).toBeGreaterThan(0.03);
    expect(quality.unseenShare).toBeLessThan(0.07);
  });

  it("relearns a cost that changed, and leaves the others alone", () => {
    const { windows, truth } = traffic({
      queries: 15,
      windows: 160,
      seed: 5,
      change: (cost, query, window) => (query === 7 && window >= 120 ? [2 * cost[0], 3 * cost[1], cost[2]] : cost),
    });
    const { costs, quality } = learn(windows);
    expect(quality.changedQueries).toBe(1);
    expect(costError(costs, truth)).toBe(0);
  });

  it("sees no change where there is none", () => {
    const { windows } = traffic({ queries: 15, windows: 160, seed: 6, unseen: 0.02 });
    expect(learn(windows).quality.changedQueries).toBe(0);
  });

  it("gives the same estimates whatever the windows' order, and counts repeated ones once", () => {
    const { windows } = traffic({ queries: 8, windows: 20, seed: 7 });
    const shuffled = createEstimator();
    shuffled.observe(windows.toReversed());
    expect(shuffled.observe(windows)).toEqual({ accepted: 0, rejected: { duplicate: windows.length } });
    expect(shuffled.estimate()).toEqual(learn(windows));
    // The planted fault: counted twice, a window would say more than it does.
    const twice = windows.concat(windows.map((window) => ({ ...window, key: `${window.key} again` })));
    expect(learn(twice)).not.toEqual(learn(windows));
  });

  it("goes on after a restore as if never stopped", () => {
    const { windows } = traffic({ queries: 8, windows: 40, seed: 8 });
    const first = createEstimator();
    first.observe(windows.slice(0, 15));
    first.estimate();
    const second = restoreEstimator(first.save());
    second.observe(windows.slice(15));
    expect(second.estimate()).toEqual(learn(windows));
    expect(learn(windows.slice(15))).not.toEqual(learn(windows));
  });

  it("lets windows go that have no more to say, and keeps what they said", () => {
    const { windows, truth } = traffic({ queries: 6, windows: 900, seed: 9 });
    const estimator = createEstimator();
    for (let from = 0; from < windows.length; from += 300) {
      estimator.observe(windows.slice(from, from + 300));
      estimator.estimate();
    }
    const { costs, quality } = estimator.estimate();
    expect(quality.windows).toBeLessThan(620);
    expect(costError(costs, truth)).toBe(0);
    // A window that was let go does not count again.
    expect(estimator.observe(windows.slice(0, 1))).toEqual({ accepted: 0, rejected: { "too-late": 1 } });
    const restored = restoreEstimator(estimator.save());
    expect(restored.estimate()).toEqual(estimator.estimate());
  });

  it("keeps what windows said that there is no room for", () => {
    const { windows, truth } = traffic({ queries: 40, windows: 100, seed: 11 });
    const small = createEstimator({ room: 300 });
    for (let from = 0; from < windows.length; from += 10) {
      small.observe(windows.slice(from, from + 10));
      small.estimate();
    }
    const { costs, quality } = small.estimate();
    expect(quality.windows).toBeLessThan(25);
    expect(costError(costs, truth)).toBeLessThan(0.03);
    // The planted fault: the windows that there is room for say far less by themselves.
    expect(costError(learn(windows.slice(-20)).costs, truth)).toBeGreaterThan(0.03);
  });

  it("takes the newest of more windows than it ever has room for", () => {
    const { windows } = traffic({ queries: 5, windows: 100, seed: 12 });
    const small = createEstimator({ room: 150 });
    expect(small.observe(windows).accepted).toBe(100);
    expect(small.estimate().quality.windows).toBeLessThan(15);
    expect(small.observe(windows.slice(0, 1)).rejected).toEqual({ "too-late": 1 });
  });

  it("refuses a state that is damaged or of another version", () => {
    const { windows } = traffic({ queries: 3, windows: 3, seed: 10 });
    const estimator = createEstimator();
    estimator.observe(windows);
    const text = new TextDecoder().decode(estimator.save());
    const bytes = (of: string) => new TextEncoder().encode(of);
    expect(() => restoreEstimator(bytes(text))).not.toThrow();
    expect(() => restoreEstimator(bytes(text.slice(0, -3)))).toThrow("not JSON");
    expect(() => restoreEstimator(Uint8Array.of(0xff, 0xfe))).toThrow("not JSON");
    expect(() => restoreEstimator(bytes(text.replace("estimator/2", "estimator/1")))).toThrow(
      "not an estimator's state",
    );
    expect(() => restoreEstimator(bytes(text.replace(/"queries":\[.*\],"epochs"/, '"queries":[],"epochs"')))).toThrow(
      "names a query",
    );
  });
});

function mapBands(
  metrics: WindowObservation["metrics"],
  to: (band: { average: number }) => WindowObservation["metrics"]["cpu"],
) {
  return { cpu: to(metrics.cpu), io: to(metrics.io), memory: to(metrics.memory) };
}
