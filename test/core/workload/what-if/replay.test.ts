import { describe, expect, it } from "@jest/globals";
import { simulate } from "../../../../bench/smoothing.ts";
import { defaultKnobs } from "../../../../core/workload/steering/knobs.ts";
import type { SteeringApi } from "../../../../core/workload/types.ts";
import type { Costs, Recording } from "../../../../core/workload/what-if/recording.ts";
import { type PolicyName, replay, runToEnd } from "../../../../core/workload/what-if/replay.ts";
import { World } from "../../../../core/workload/what-if/world.ts";
import { Engine } from "../../../../sim-server/database/engine.ts";
import { loadParameters } from "../../../../sim-server/database/parameters.ts";

const exactly = (mean: readonly [number, number, number]) => ({
  mean,
  sd: [0, 0, 0] as const,
  seen: 1e6,
  lastSeenAt: 0,
});

/** The simulated database's traffic and truth, as a recording. */
function recorded(seed: number, ticks: number): { recording: Recording; costs: Costs } {
  const engine = new Engine({ ...loadParameters("default"), seed });
  const costs = new Map(Array.from(engine.truth(), ([queryId, cost]) => [queryId, exactly(cost)]));
  const meanOf = (r: 0 | 1 | 2) => Array.from(costs.values()).reduce((sum, { mean }) => sum + mean[r], 0) / costs.size;
  const prior = exactly([meanOf(0), meanOf(1), meanOf(2)]);
  const arrivals = Array.from({ length: ticks }, () => engine.step().arrived).flat();
  return { recording: { clockwork: engine.parameters, arrivals, ticks }, costs: { costs, prior } };
}

const run = (source: ReturnType<typeof recorded>, policy: PolicyName, api: SteeringApi, warmupTicks = 600) =>
  runToEnd(replay({ ...source, policy, api, knobs: defaultKnobs, seed: 7, warmupTicks }));

describe("a replay in the what-if's own world", () => {
  const source = recorded(7, 1_800);

  // Two worlds that were written apart: the simulated database, and the one that replays.
  it.each<[PolicyName, SteeringApi]>([
    ["none", "place"],
    ["fifo", "place"],
    ["planner", "place"],
    ["planner", "delay"],
  ])("gives for %s by %s what the bench measures on the simulated database", (policy, api) => {
    const bench = simulate({
      scenario: "default",
      seed: 7,
      minutes: 2,
      warmup: 1,
      costs: "true",
      policy,
      api,
      latencyP95: 6,
      burst: defaultKnobs.burst,
    });
    const would = run(source, policy, api);
    for (const key of ["windows", "arrived", "executed", "waitingEnd"] as const) expect(would[key]).toBe(bench[key]);
    for (const key of ["inBand", "idleShare", "deviationP95", "delayP95", "delayMax", "peakToMean", "burst"] as const)
      expect([key, would[key]]).toEqual([key, expect.closeTo(bench[key], 2)]);
  });

  it("is the same each time, and another for other costs", () => {
    const once = run(source, "planner", "place");
    expect(run(source, "planner", "place")).toEqual(once);
    const doubled = new Map(
      Array.from(source.costs.costs, ([id, cost], at) => [id, at % 2 ? exactly([9, 9, 9]) : cost]),
    );
    expect(run({ ...source, costs: { ...source.costs, costs: doubled } }, "planner", "place")).not.toEqual(once);
  });

  it("can be left between its steps", () => {
    const work = replay({ ...source, policy: "none", api: "place", knobs: defaultKnobs, seed: 1, warmupTicks: 0 });
    const shares = Array.from({ length: 18 }, () => work.next().value);
    expect(shares).toEqual(Array.from({ length: 18 }, (_, at) => at / 18));
    expect(work.next()).toMatchObject({ done: true, value: { windows: 180 } });
  });
});

describe("the what-if's world", () => {
  const costs: Costs = { costs: new Map([["a", exactly([10, 20, 30])]]), prior: exactly([5, 5, 5]) };
  const clockwork = { tickMs: 100, windowTicks: 3, defaultDelayTicks: 2 };
  const arrivals = ["a", "b", "a"].map((queryId) => ({ queryId, arrivedTick: 0 }));
  const begin = (api: SteeringApi) => {
    const world = new World({ clockwork, arrivals, ticks: 10 }, costs, api);
    world.step();
    return world;
  };

  it("runs what is due, and reports the window as the server would", () => {
    const world = begin("place");
    expect(world.step().executed).toEqual([]);
    const { executed, window } = world.step();
    expect(executed.map(({ queryId }) => queryId)).toEqual(["a", "b", "a"]);
    expect(world.usage).toEqual([25, 45, 65]);
    // 25 / 3 = 8.33, floored.
    expect(window).toEqual({
      firstTick: 0,
      bounds: "exact",
      metrics: {
        cpu: { average: 8, min: 0, max: 25 },
        io: { average: 15, min: 0, max: 45 },
        memory: { average: 21, min: 0, max: 65 },
      },
    });
  });

  it("places never before the default delay, and postpones only", () => {
    const placed = begin("place");
    placed.place([{ id: "0", tick: 1 }]);
    placed.step();
    expect(placed.step().executed).toHaveLength(3);
    for (const [api, ranIn] of [
      ["place", 3],
      ["delay", 9],
    ] as const) {
      const world = begin(api);
      world.place([{ id: "0", tick: 9 }]);
      world.place([{ id: "0", tick: 3 }]);
      let tick = 0;
      while (!world.step().executed.some(({ id }) => id === "0")) tick++;
      expect(tick + 1).toBe(ranIn);
    }
  });

  it("knows what would fall due together if nobody moved anything any more", () => {
    const world = begin("place");
    expect(world.burst()).toEqual([25, 45, 65]);
    world.place([
      { id: "0", tick: 5 },
      { id: "1", tick: 7 },
    ]);
    expect(world.burst()).toEqual([10, 20, 30]);
    // The next tick is what was chosen for it, whether the scheduler lives or dies.
    world.step();
    expect(world.burst()).toEqual([10, 20, 30]);
  });
});
