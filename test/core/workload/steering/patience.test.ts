import { describe, expect, it } from "@jest/globals";
import { isInBand } from "../../../../core/workload/measures.ts";
import { Patience } from "../../../../core/workload/steering/patience.ts";
import { createLoop, exact, truthOf } from "./loop.ts";

const budget = 60;

/** What is held for once it has grown as far as it will. */
function held(patience: Patience, rate: number, windowTicks = 10): number {
  for (let at = 0; at < 500; at++) patience.next(budget, rate, windowTicks);
  return patience.next(budget, rate, windowTicks);
}

/** The largest jump between rates that lie a hundredth apart, in ticks. */
function largestJump(heldAt: (rate: number) => number): number {
  let largest = 0;
  for (let at = 100; at < 1500; at++) largest = Math.max(largest, Math.abs(heldAt((at + 1) / 100) - heldAt(at / 100)));
  return largest;
}

describe("patience", () => {
  it("spends the whole budget where executions are scarce, and no more than eighty arrivals where they are not", () => {
    expect(held(new Patience(), 1.2)).toBe(budget);
    expect(held(new Patience(), 8)).toBe(10);
    expect(held(new Patience(), 8, 20)).toBe(20);
  });

  it("follows the rate of arrivals without a jump", () => {
    expect(largestJump((rate) => held(new Patience(), rate))).toBeLessThan(3);
    // The same measure sees a rule with a border.
    expect(largestJump((rate) => (rate < 2.4 ? budget : 80 / rate))).toBeGreaterThan(20);
  });

  it("grows slowly from nothing, goes on from what waits, and shrinks at once", () => {
    const patience = new Patience();
    patience.rest(0, 10);
    const first = patience.next(budget, 1.2, 10);
    expect(first).toBeLessThan(10);
    expect(patience.next(budget, 1.2, 10) - first).toBeLessThan(1);
    patience.rest(40, 10);
    expect(patience.next(budget, 1.2, 10)).toBeGreaterThanOrEqual(40);
    expect(patience.next(budget, 8, 10)).toBe(10);
  });

  it("holds longer while windows miss, up to the budget, and shorter again when they do not", () => {
    const patience = new Patience();
    for (let at = 0; at < 100; at++) {
      held(patience, 8);
      patience.observe(false);
    }
    expect(held(patience, 8)).toBe(budget);
    for (let at = 0; at < 2000; at++) patience.observe(true);
    expect(held(patience, 8)).toBe(10);
  });
});

describe("haste", () => {
  const hasteAfter = (windows: readonly boolean[]) => {
    const patience = new Patience();
    for (const level of windows) patience.observe(level);
    return patience;
  };

  it("presses early where windows are level, and as late as the budget allows where they are not", () => {
    expect(hasteAfter([]).haste(1.2)).toBe(1);
    expect(hasteAfter(Array(2000).fill(true)).haste(1.2)).toBe(0.5);
    expect(hasteAfter([...Array(2000).fill(true), ...Array(10).fill(false)]).haste(1.2)).toBe(1);
    // One window in twenty that misses is one too many.
    expect(hasteAfter(Array.from({ length: 2000 }, (_, at) => at % 20 > 0)).haste(1.2)).toBeGreaterThan(0.85);
  });

  it("is no matter where windows follow each other", () => {
    expect(hasteAfter(Array(2000).fill(true)).haste(2)).toBe(1);
  });
});

describe("steering with more budget than it needs", () => {
  /** Delays and windows from when costs are known, and the longest time in which nothing ran. */
  const begin = (mean: number, latencyP95Seconds = 6) => {
    const season = { level: 1, amplitude: 0 };
    const parameters = { arrivals: { mean, season } };
    const loop = createLoop({ costs: () => new Map(), parameters, knobs: { latencyP95Seconds } });
    for (let at = 0; at < 305; at++) loop.tick();
    loop.steering.setCosts(truthOf(loop.engine), exact([47, 47, 47]));
    const delays: number[] = [];
    let [windows, level, hole, longestHole] = [0, 0, 0, 0];
    for (let at = 0; at < 1200; at++) {
      const { executed, window } = loop.tick().step;
      hole = executed.length > 0 ? 0 : hole + 1;
      longestHole = Math.max(longestHole, hole);
      for (const { arrivedTick } of executed) delays.push(loop.engine.tick - arrivedTick);
      if (!window) continue;
      windows++;
      if (isInBand(window)) level++;
    }
    delays.sort((a, b) => a - b);
    const late = delays.filter((delay) => delay > 10 * latencyP95Seconds).length / delays.length;
    return { p95: delays[Math.floor(0.95 * delays.length)], late, inBand: level / windows, longestHole };
  };

  it("lets next to nothing exceed a budget that few arrivals do not need", () => {
    expect(begin(0.017, 12).late).toBeLessThan(0.03);
    // The same measure sees what has to let some exceed it. Without haste the first would be at 0.06.
    expect(begin(0.014, 12).late).toBeGreaterThan(0.04);
  });

  it("levels many arrivals at a fraction of it, and begins without a hole", () => {
    const many = begin(0.08);
    expect(many.p95).toBeLessThanOrEqual(14);
    expect(many.inBand).toBeGreaterThan(0.95);
    expect(many.longestHole).toBeLessThan(3);
    // The same measures see a load that needs all of its budget, and windows that stay empty.
    const few = begin(0.012);
    expect(few.p95).toBeGreaterThan(40);
    expect(few.longestHole).toBeGreaterThan(9);
  });
});
