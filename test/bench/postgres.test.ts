import { spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import { busySeconds, inBandAnyPhase, type Phase, sameResults } from "../../bench/postgres/judge.ts";
import { medians } from "../../bench/postgres/medians.ts";
import { burstOf } from "../../demo/postgres/reports.ts";
import type { ReportLine } from "../../local/demo-application.ts";

describe("medians of runs", () => {
  it("are the middle figure, the lower one of two, and what every run says of true and false", () => {
    const run = (inBand: number, floor: number | null, resultsEqual: boolean) => ({ inBand, floor, resultsEqual });
    const runs = [run(0.9, null, true), run(0.7, 0.05, true), run(0.8, 0.03, true)];
    expect(medians(runs)).toEqual({ inBand: 0.8, floor: 0.03, resultsEqual: true });
    expect(medians([...runs, run(0.1, null, false)])).toEqual({ inBand: 0.7, floor: 0.03, resultsEqual: false });
    expect(medians([run(0.5, null, true)])).toEqual({ inBand: 0.5, floor: null, resultsEqual: true });
  });
});

const report = (change: Partial<ReportLine>): ReportLine => ({
  ...{ type: "report", burst: 0, index: 0, name: "a", arrivedAt: 0, begunAt: 0, endedAt: 0, checksum: "c" },
  ...change,
});
/** A server that uses 100 CPU ms a second, but 300 in the half second from 3000. */
const usedUpTo = (at: number) => at / 10 + Math.max(0, Math.min(500, at - 3_000)) * 0.5;
const meter = {
  between: (from: number, to: number) => ({ cpuMs: usedUpTo(to) - usedUpTo(from), ioKiB: 0, memoryMiB: 0 }),
};
const phase: Phase = {
  reports: [report({ arrivedAt: 1_200, endedAt: 4_100 }), report({ arrivedAt: 8_000, endedAt: 8_100 })],
  ...{ meter, from: 100, to: 9_500, windowEndsAt: 77_000 },
};

describe("the seconds of a phase", () => {
  it("are the gatekeeper's windows in which a report waited or ran", () => {
    // From 1000, 2000, 3000, 4000 and 8000; the one from 0 began before the phase.
    expect(busySeconds(phase).map(Math.round)).toEqual([100, 100, 350, 100, 100]);
    expect(busySeconds({ ...phase, windowEndsAt: 77_700 }).map(Math.round)).toEqual([100, 100, 350, 100, 100]);
  });

  it("are judged as they begin anywhere, too", () => {
    // 100 CPU ms in the first half of each even second and in the second half of each odd one: 100 in every window, but
    // 80 and 120 in turn a tenth of a second later, 0 and 200 half a second later.
    const upTo = (at: number) => {
      const [second, within] = [Math.floor(at / 1_000), at % 1_000];
      const half = second % 2 === 0 ? Math.min(500, within) : Math.max(0, within - 500);
      return second * 100 + half / 5;
    };
    const uneven = {
      between: (from: number, to: number) => ({ cpuMs: upTo(to) - upTo(from), ioKiB: 0, memoryMiB: 0 }),
    };
    const waiting = { reports: [report({ arrivedAt: 0, endedAt: 30_000 })], from: 0, to: 30_000, windowEndsAt: 0 };
    expect(new Set(busySeconds({ ...waiting, meter: uneven }))).toEqual(new Set([100]));
    expect(inBandAnyPhase({ ...waiting, meter: uneven })).toBeCloseTo(0.1);
  });
});

describe("results of both phases", () => {
  const naive = [report({ burst: 0, checksum: "x" }), report({ burst: 1, checksum: "y" })];

  it("are equal by burst within the cycle, in whatever order they end", () => {
    const gated = [report({ burst: 7, checksum: "y" }), report({ burst: 6, checksum: "x" })];
    expect(sameResults(naive, gated, 2)).toBe(true);
  });

  it("differ by one checksum, or one that is missing", () => {
    expect(
      sameResults(
        naive,
        [naive[0], report({ burst: 1, checksum: "z" })].filter((one) => !!one),
        2,
      ),
    ).toBe(false);
    expect(sameResults(naive, naive.slice(1), 2)).toBe(false);
  });
});

describe("a burst of TPC-H", () => {
  it("asks each published query once a stream, as it was published", () => {
    const queries = [1, 2, 3].map((number) => ({ number, sql: `SELECT ${number}` }));
    const reports = burstOf("tpch", () => 0.3, queries);
    const counts = Map.groupBy(reports, ({ name, sql }) => `${name} ${sql}`);
    expect([...counts].map(([name, { length }]) => [name, length]).sort()).toEqual([
      ["tpch-q1 SELECT 1", 5],
      ["tpch-q2 SELECT 2", 5],
      ["tpch-q3 SELECT 3", 5],
    ]);
  });
});

it.each([
  [["--load", "medium"], /--load must be one of heavy, light, tpch, not 'medium'/],
  [["--runs", "0"], /--runs must be at least 1/],
  [["--learn", "never"], /--learn must be one of once, each/],
])("bench postgres refuses %s in one line", (args, message) => {
  const options = ["--disable-warning=ExperimentalWarning", "bench/main.ts", "postgres", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, options, { encoding: "utf8" });
  expect({ status, stdout, lines: stderr.trimEnd().split("\n").length }).toEqual({ status: 2, stdout: "", lines: 1 });
  expect(stderr).toMatch(message);
});
