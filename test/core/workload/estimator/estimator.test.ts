import { describe, expect, it } from "@jest/globals";
import { createEstimator, restoreEstimator } from "../../../../core/workload/estimator/estimator.ts";
import { traffic } from "./traffic.ts";

describe("createEstimator", () => {
  it("knows nothing before the first window", () => {
    const { costs, prior } = createEstimator().estimate();
    expect(costs.size).toBe(0);
    expect(prior.sd.every((sd) => sd > 0)).toBe(true);
  });

  it("learns integer costs exactly from averages, minima and maxima", () => {
    const { windows, truth } = traffic({ queries: 12, windows: 120, seed: 1 });
    const estimator = createEstimator();
    expect(estimator.observe(windows)).toEqual({ accepted: windows.length, rejected: {} });
    const { costs, quality } = estimator.estimate();
    for (const [id, cost] of truth) expect(costs.get(id)?.mean).toEqual(cost);
    expect(quality["exactShare"]).toBe(1);
  });

  it("gives the same estimates whatever the windows' order, and counts repeated ones once", () => {
    const { windows } = traffic({ queries: 8, windows: 20, seed: 2 });
    const inOrder = createEstimator();
    inOrder.observe(windows);
    const shuffled = createEstimator();
    shuffled.observe(windows.toReversed());
    expect(shuffled.observe(windows)).toEqual({ accepted: 0, rejected: { duplicate: windows.length } });
    expect(shuffled.estimate()).toEqual(inOrder.estimate());
  });

  it("goes on after a restore as if never stopped", () => {
    const { windows } = traffic({ queries: 8, windows: 40, seed: 3 });
    const through = createEstimator();
    through.observe(windows);
    const first = createEstimator();
    first.observe(windows.slice(0, 15));
    first.estimate();
    const second = restoreEstimator(first.save());
    second.observe(windows.slice(15));
    expect(second.estimate()).toEqual(through.estimate());
  });

  it("refuses a state that is damaged or of another version", () => {
    const bytes = createEstimator().save();
    expect(() => restoreEstimator(bytes.slice(0, -3))).toThrow("not JSON");
    const other = new TextEncoder().encode(new TextDecoder().decode(bytes).replace("estimator/1", "estimator/0"));
    expect(() => restoreEstimator(other)).toThrow("not an estimator's state");
  });
});
