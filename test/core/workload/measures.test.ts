import { describe, expect, it } from "@jest/globals";
import {
  deviation,
  Histogram,
  isInBand,
  judgeWindow,
  loadOf,
  percentile,
  SecondJudge,
} from "../../../core/workload/measures.ts";

const band = (average: number, min: number, max: number) => ({ average, min, max });
const level = band(100, 90, 110);
const metrics = (memory = level) => ({ cpu: level, io: level, memory });

describe("in band", () => {
  it("includes both edges", () => {
    expect(isInBand(metrics())).toBe(true);
    for (const average of [10, 30, 70, 110, 990]) {
      const edge = band(average, (average * 9) / 10, (average * 11) / 10);
      expect(isInBand({ cpu: edge, io: edge, memory: edge })).toBe(true);
    }
  });

  it.each([band(100, 89, 110), band(100, 90, 111)])("asks all three resources: %j", (memory) => {
    expect(isInBand(metrics(memory))).toBe(false);
    expect(isInBand(metrics(memory), 0.2)).toBe(true);
  });

  it("counts an empty window as a miss if something waited, and as level if nothing did", () => {
    const nothing = band(0, 0, 0);
    const empty = { cpu: nothing, io: nothing, memory: nothing };
    expect(judgeWindow(empty, 0, true)).toEqual({ inBand: false, idle: true, deviation: 1 });
    expect(judgeWindow(empty, 0, false)).toEqual({ inBand: true, idle: false, deviation: 0 });
  });

  it("tells the largest distance from the average", () => {
    expect(deviation(metrics(band(50, 45, 80)))).toBeCloseTo(0.6);
    expect(deviation(metrics(band(0, 0, 3)))).toBe(1);
  });
});

describe("where executions last", () => {
  it("a second is judged by the mean of those before it in which work waited or ran", () => {
    const seconds = new SecondJudge();
    expect(seconds.judge(100, 1, false)).toEqual({ inBand: true, idle: false, deviation: 0, level: 100 });
    // Nothing ran or waited: it does not move the level.
    expect(seconds.judge(10, 0, false)).toMatchObject({ inBand: false, level: 100, deviation: 0.9 });
    // (100 + 130) / 2; 15 of 115 off.
    expect(seconds.judge(130, 0, true)).toMatchObject({ inBand: false, idle: true, level: 115 });
    expect(seconds.judge(130, 1, true, 0.2)).toMatchObject({ inBand: true, idle: false, level: 120 });
  });

  it("load is the CPU, since the other resources have units of their own; elsewhere all three", () => {
    expect(loadOf({ mean: [20, 3_000, 5], durationMs: 30 })).toBe(20);
    expect(loadOf({ mean: [20, 30, 5] })).toBe(55);
    expect(loadOf({ mean: [-20, 0, 0] })).toBe(0);
  });
});

describe("percentiles", () => {
  it("are of the nearest rank", () => {
    const values = [15, 20, 35, 40, 50];
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => percentile(values, share))).toEqual([15, 20, 20, 35, 50]);
    expect(percentile([], 0.5)).toBeUndefined();
  });

  it("are the same from a histogram, also a merged one", () => {
    const [left, right] = [new Histogram(), new Histogram()];
    for (const value of [50, 15, 35]) left.add(value);
    for (const value of [20, 40]) right.add(value);
    left.merge(right);
    expect(left.total).toBe(5);
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => left.percentile(share))).toEqual([15, 20, 20, 35, 50]);
    expect(new Histogram().percentile(1)).toBeUndefined();
  });
});
