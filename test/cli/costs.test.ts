import { describe, expect, it } from "@jest/globals";
import { byLoad, screen } from "../../cli/costs.ts";
import type { Costs, StoredCost } from "../../platform/tables/costs.ts";

const now = 100_000;
const cost = (mean: StoredCost["mean"], durationMs?: number): StoredCost => ({
  ...{ mean, sd: [1, 2, 3], seen: 10, lastSeenAt: now - 5_000 },
  ...(durationMs !== undefined && { durationMs }),
});
const stored = (costs: Record<string, StoredCost>): Costs => ({
  ...{ version: 4, estimatedAt: now - 9_000, windows: 60, prior: undefined, quality: {}, rejected: {} },
  ...{ skippedTicks: 0, outOfTime: 0, unreadable: [], costs: new Map(Object.entries(costs)) },
});
const shown = (costs: Costs) => screen(costs, byLoad(costs), now).split("\n");

describe("the table of costs", () => {
  it("tells CPU ms, KiB, MiB and the duration where executions last, sorted by CPU", () => {
    expect(
      shown(stored({ light: cost([20, 9_000, 5], 31.4), heavy: cost([60, 0, 7], 90), new: cost([0, 0, 0]) })),
    ).toEqual([
      "version 4, estimated 9 s ago from 60 windows; of one execution",
      "query  cpu ms     io KiB       memory MiB  lasts  seen  last seen  load",
      "heavy  60.0 ±1.0  0.0 ±2.0     7.0 ±3.0    90 ms  10    5 s ago    75.0%",
      "light  20.0 ±1.0  9000.0 ±2.0  5.0 ±3.0    31 ms  10    5 s ago    25.0%",
      "new    0.0 ±1.0   0.0 ±2.0     0.0 ±3.0    -      10    5 s ago    0.0%",
    ]);
  });

  it("tells percent of a tick elsewhere, sorted by the sum", () => {
    const lines = shown(stored({ light: cost([20, 90, 5]), heavy: cost([60, 0, 7]) }));
    expect(lines[0]).toBe("version 4, estimated 9 s ago from 60 windows; percent of a tick");
    expect(lines[1]).toMatch(/^query +cpu +io +memory +seen/);
    expect(lines.slice(2).map((line) => line.split(" ")[0])).toEqual(["light", "heavy"]);
  });
});
