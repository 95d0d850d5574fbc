import { describe, expect, it } from "@jest/globals";
import { defaultKnobs } from "../../../../core/workload/steering/knobs.ts";
import { frontierSvg } from "../../../../core/workload/what-if/chart.ts";
import { type FrontierPoint, frontier, smallestFeasibleBudget } from "../../../../core/workload/what-if/frontier.ts";
import { whatHappened } from "../../../../core/workload/what-if/recorded.ts";
import { runToEnd } from "../../../../core/workload/what-if/replay.ts";

const cost = (value: number) => ({ mean: [value, value, value], sd: [0, 0, 0], seen: 9, lastSeenAt: 0 }) as const;
const clockwork = { tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 };
const arrivals = Array.from({ length: 900 }, (_, at) => ({ queryId: `q${at % 7}`, arrivedTick: Math.floor(at / 1.5) }));
const costs = { costs: new Map(Array.from({ length: 7 }, (_, at) => [`q${at}`, cost(20 + 9 * at)])), prior: cost(40) };

const points = runToEnd(
  frontier({
    recording: { clockwork, arrivals, ticks: 600 },
    costs,
    knobs: defaultKnobs,
    seed: 1,
    warmupTicks: 100,
    budgets: [0.1, 6],
    apis: ["place", "delay"],
    bursts: [2, 1_000],
  }),
);

describe("a frontier", () => {
  it("has the baselines, and a point for each budget and way to act", () => {
    expect(points.map(({ policy, api, latencyP95Seconds, burst }) => [policy, api, latencyP95Seconds, burst])).toEqual([
      ["none", "place", null, null],
      ["fifo", "place", null, null],
      ["planner", "place", 0.1, null],
      ["planner", "place", 6, null],
      ["planner", "delay", 0.1, 2],
      ["planner", "delay", 6, 2],
      ["planner", "delay", 0.1, 1_000],
      ["planner", "delay", 6, 1_000],
    ]);
  });

  it("shows that waiting levels, and that /delay pays with a burst", () => {
    const of = (at: number) => points[at]?.measures;
    expect(of(0)).toMatchObject({ inBand: 0, delayMax: 0.1, burst: 0 });
    expect(of(3)?.inBand ?? 0).toBeGreaterThan((of(0)?.inBand ?? 1) + 0.3);
    expect(of(3)?.burst ?? 9).toBeLessThanOrEqual(1.5);
    expect(of(7)?.burst ?? 0).toBeGreaterThan(4);
    expect(of(5)?.burst ?? 9).toBeLessThanOrEqual(4);
  });

  it("names the smallest budget that was kept", () => {
    const point = (latencyP95Seconds: number | null, delayP95: number): FrontierPoint => ({
      policy: "planner",
      api: "place",
      burst: null,
      latencyP95Seconds,
      measures: { ...(points[0]?.measures ?? never()), delayP95 },
    });
    expect(smallestFeasibleBudget([point(null, 0), point(1, 2), point(3, 3.1), point(4, 2)])).toBe(3);
    expect(smallestFeasibleBudget([point(1, 2)])).toBeNull();
  });

  it("is drawn with each curve, each point and today's", () => {
    const svg = frontierSvg("5 < 6 & more", points, [{ label: "today", delayP95: 2, inBand: 0.5 }]);
    expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
    expect(svg).toContain("5 &lt; 6 &amp; more");
    expect(svg.match(/<polyline/g)).toHaveLength(5);
    expect(svg.match(/<circle/g)).toHaveLength(points.length);
    expect(svg).toContain("today: 50.0%, 2.0 s");
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(frontierSvg("nothing", [], [])).not.toMatch(/NaN|Infinity/);
  });
});

describe("what did happen", () => {
  it("is counted as a replay counts", () => {
    const level = { average: 50, min: 48, max: 52 };
    const uneven = { average: 50, min: 20, max: 52 };
    const nothing = { average: 0, min: 0, max: 0 };
    const windows = [
      { ticks: [["a"], ["b"]], metrics: { cpu: level, io: level, memory: level } },
      { ticks: [["a"], ["b"]], metrics: { cpu: level, io: uneven, memory: level } },
      { ticks: [[], []], metrics: { cpu: nothing, io: nothing, memory: nothing } },
    ];
    const executions = [1, 1, 2, 10].map((delayTicks) => ({ delayTicks }));
    expect(whatHappened(windows, executions, 100, 0.1)).toMatchObject({
      windows: 3,
      inBand: 1 / 3,
      idleShare: 1 / 3,
      deviationP95: 1,
      executed: 4,
      delayMean: 0.35,
      delayP50: 0.1,
      delayMax: 1,
      peakToMean: null,
    });
  });
});

function never(): never {
  throw new Error("no point");
}
