import { describe, expect, it } from "@jest/globals";
import { Histogram } from "../../../core/workload/measures.ts";
import type { Metrics } from "../../../platform/wire.ts";
import { Comparison } from "../../../services/console/live/comparison.ts";
import { bucketsOf, DelayLog, summarize } from "../../../services/console/live/delays.ts";
import { ExecutionLog } from "../../../services/console/live/executions.ts";
import { Traffic } from "../../../services/console/live/traffic.ts";
import { type ClosedWindow, WindowLog } from "../../../services/console/live/windows.ts";

const flat = (average: number, by = 0): Metrics => {
  const band = { average, min: average - by, max: average + by };
  return { cpu: band, io: band, memory: band };
};
const closed = (at: number, change: Partial<ClosedWindow> = {}): ClosedWindow => ({
  at,
  metrics: flat(100),
  ran: 5,
  waited: true,
  waiting: 0,
  steered: true,
  ...change,
});

describe("the last hour's windows", () => {
  it("keeps an hour, whatever comes", () => {
    const log = new WindowLog();
    for (let at = 0; at <= 36_000_000; at += 1_000) log.add(closed(at));
    expect(log.since(0)).toHaveLength(3_600);
    expect(log.since(0)[0]?.at).toBe(36_000_000 - 3_599_000);
    for (let at = 36_000_001; at < 36_020_000; at += 1) log.add(closed(at));
    expect(log.since(0)).toHaveLength(7_200);
  });

  it("tells the share in band, judged by the band that is set", () => {
    const log = new WindowLog();
    log.add(closed(1_000));
    log.add(closed(2_000, { metrics: flat(100, 15) }));
    log.add(closed(3_000, { ran: 0, metrics: flat(0) }));
    expect(log.inBandSince(0)).toBeCloseTo(1 / 3);
    log.bandWidth = 0.2;
    expect(log.inBandSince(0)).toBeCloseTo(2 / 3);
    expect(log.inBandSince(3_000)).toBeNull();
  });

  it("judges a second as a whole where executions last, and anew by a band that is set", () => {
    const log = new WindowLog();
    // Ticks are far apart in both; the second as a whole is 8% off their mean.
    log.add(closed(1_000, { metrics: flat(100, 90), cpu: 100 }));
    log.add(closed(2_000, { metrics: flat(117, 90), cpu: 117.4 }));
    expect(log.since(0).map(({ inBand, level }) => [inBand, level])).toEqual([
      [true, 100],
      [true, 108.7],
    ]);
    log.bandWidth = 0.05;
    expect(log.since(0).map(({ inBand }) => inBand)).toEqual([true, false]);
    // The same ticks, where executions fill no more than one.
    log.add(closed(3_000, { metrics: flat(100, 90) }));
    log.bandWidth = 0.1;
    expect(log.since(0).map(({ inBand }) => inBand)).toEqual([true, true, false]);
  });

  it("puts what the table has before what was seen, and nothing twice", () => {
    const log = new WindowLog();
    log.add(closed(5_000));
    log.prepend([closed(3_000), closed(4_000), closed(5_000), closed(6_000)]);
    expect(log.since(0).map(({ at }) => at)).toEqual([3_000, 4_000, 5_000]);
  });
});

describe("delays", () => {
  it("are summed over the minutes asked for", () => {
    const log = new DelayLog();
    for (let ticks = 1; ticks <= 100; ticks++) log.add(30_000, ticks);
    log.add(90_000, 500);
    expect(summarize(log.since(0), 100)).toEqual({ executions: 101, p50: 5.1, p95: 9.6, p99: 10, max: 50 });
    expect(summarize(log.since(60_000), 100)).toMatchObject({ executions: 1, p50: 50 });
    expect(summarize(new Histogram(), 100)).toBeNull();
  });

  it("fall into the bucket whose end they do not exceed", () => {
    const log = new DelayLog();
    for (const ticks of [1, 2, 5, 6, 700]) log.add(0, ticks);
    expect(bucketsOf(log.since(0), 100).filter(({ executions }) => executions > 0)).toEqual([
      { upToSeconds: 0.1, executions: 1 },
      { upToSeconds: 0.2, executions: 1 },
      { upToSeconds: 0.5, executions: 1 },
      { upToSeconds: 1, executions: 1 },
      { upToSeconds: null, executions: 1 },
    ]);
  });
});

describe("before and after", () => {
  it("leaves out what ran while one way gave over to the other", () => {
    const log = new WindowLog();
    const comparison = new Comparison();
    const add = (from: number, to: number, steered: boolean | null, by: number) => {
      for (let at = from; at < to; at += 1_000) {
        log.add(closed(at, { steered, metrics: flat(100, by) }));
        const [window] = log.since(at - 1);
        const delays = new Histogram();
        delays.add(steered ? 30 : 1);
        if (window) comparison.add(window, delays);
      }
    };
    add(0, 20_000, false, 50);
    add(20_000, 50_000, true, 5);
    add(50_000, 60_000, null, 90);
    const { on, off } = comparison.figures(100);
    expect(off).toMatchObject({
      from: 0,
      to: 19_000,
      windows: 20,
      inBand: 0,
      deviation: 0.5,
      peakToMean: 1.5,
      delay: { p95: 0.1 },
    });
    expect(on).toMatchObject({
      from: 30_000,
      to: 49_000,
      windows: 20,
      inBand: 1,
      deviation: 0.05,
      peakToMean: 1.05,
      delay: { p95: 3 },
    });
  });
});

describe("traffic", () => {
  it("forgets what is older than ten minutes", () => {
    const traffic = new Traffic();
    traffic.add("a", 5_000, 2);
    traffic.add("a", 15_000, 4);
    expect(traffic.of("a", 15_000)).toMatchObject({ executions: 2, meanDelayTicks: 3, lastAt: 15_000 });
    expect(traffic.of("a", 15_000).perTenSeconds.slice(-2)).toEqual([1, 1]);
    expect(traffic.of("a", 605_000)).toMatchObject({ executions: 1, meanDelayTicks: 4 });
    expect(traffic.of("a", 700_000)).toMatchObject({ executions: 0, meanDelayTicks: null, lastAt: 15_000 });
    expect(traffic.of("b", 0)).toMatchObject({ executions: 0, lastAt: null });
  });
});

describe("executions", () => {
  const hello = {
    type: "hello",
    serverId: "s",
    epoch: "e",
    tickMs: 100,
    windowTicks: 10,
    defaultDelayTicks: 1,
  } as const;

  it("are known while they wait and after they ran", () => {
    const log = new ExecutionLog();
    expect(log.waiting).toBeNull();
    log.begin({ ...hello, tick: 9, queue: [{ id: "x", queryId: "q", arrivedTick: 3, tick: 12 }] });
    log.tick({
      type: "tick",
      tick: 10,
      at: 1_000,
      executed: [],
      arrived: [{ id: "y", queryId: "q", arrivedTick: 10, tick: 11 }],
    });
    log.tick({
      type: "tick",
      tick: 11,
      at: 1_100,
      executed: [{ id: "y", queryId: "q", arrivedTick: 10 }],
      arrived: [],
    });
    expect(log.waiting).toBe(1);
    expect(log.find("x")).toMatchObject({ firstDueTick: 12, arrivedAt: undefined });
    expect(log.find("y")).toMatchObject({ arrivedAt: 1_000, executedTick: 11, executedAt: 1_100 });
    expect(log.between(1_000, 1_100).map(({ id }) => id)).toEqual(["y"]);
    expect(log.latest(5).map(({ id }) => id)).toEqual(["y"]);
  });

  it("are forgotten beyond 20,000", () => {
    const log = new ExecutionLog();
    log.begin({ ...hello, tick: 0, queue: [] });
    for (let tick = 1; tick <= 20_001; tick++) {
      const id = `x${tick}`;
      log.tick({ type: "tick", tick, at: tick, executed: [{ id, queryId: "q", arrivedTick: tick }], arrived: [] });
    }
    expect(log.find("x1")).toBeUndefined();
    expect(log.find("x2")).toBeDefined();
    expect(log.latest(30_000)).toHaveLength(20_000);
  });
});
