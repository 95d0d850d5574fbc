import { createRequire } from "node:module";
import { beforeAll, describe, expect, it } from "@jest/globals";
import type { Highs } from "highs";
import { type Instance, type Job, optimum } from "../../bench/bound/optimum.ts";
import { measure } from "../../bench/bound.ts";

let highs: Highs;
beforeAll(async () => {
  highs = await createRequire(import.meta.url)("highs")();
});

const jobs = (costs: readonly number[], due = 9): Job[] =>
  costs.map((cost) => ({ cost: [cost, cost, cost], earliest: 0, due }));
const instance = (changes: Partial<Instance>): Instance => ({
  jobs: [],
  windows: 2,
  windowTicks: 2,
  bandWidth: 0.1,
  mostRun: 9,
  mostLate: 9,
  ...changes,
});

describe("the exact optimum", () => {
  it.each([
    ["two windows of two equal singles", { jobs: jobs([50, 50, 30, 30]) }, 2],
    ["one window: no two of these are near", { jobs: jobs([50, 30, 20]) }, 1],
    ["a pair that equals a single", { jobs: jobs([50, 30, 20]), windows: 1 }, 1],
    ["no more than may run", { jobs: jobs([50, 50, 30, 30]), mostRun: 3 }, 1],
    ["nothing that has not arrived", { jobs: jobs([50, 50]).map((job) => ({ ...job, earliest: 3 })) }, 0],
    ["a window given up, so that nothing is late", { jobs: jobs([50, 50, 30], 0), windows: 1, mostLate: 0 }, 0],
  ])("has %s", (_, changes, inBand) => {
    expect(optimum(highs, instance(changes), 60)).toEqual({ inBand, proven: true });
  });

  it("says that it has no proof when the time is up", () => {
    const many = Array.from({ length: 40 }, (_, at) => 30 + ((at * 37) % 41));
    const { proven } = optimum(highs, instance({ jobs: jobs(many), windows: 3, windowTicks: 4, mostRun: 20 }), 0.001);
    expect(proven).toBe(false);
  });
});

it("the planner is never above the optimum of its own instances", async () => {
  const options = { scenario: "default", seed: 1, windows: 1, windowTicks: 3, season: 1.2, latencyP95: 0.9 };
  const { proven, inBandProven, optimumProven } = await measure({ ...options, instances: 3, timeLimit: 30 });
  expect(proven).toBeGreaterThan(0);
  expect(inBandProven).toBeLessThanOrEqual(optimumProven);
}, 120_000);
