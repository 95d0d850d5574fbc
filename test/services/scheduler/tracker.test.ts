import { describe, expect, it } from "@jest/globals";
import type { TickEvent } from "../../../platform/wire.ts";
import { Tracker } from "../../../services/scheduler/tracker.ts";

const level = { average: 50, min: 50, max: 50 };
const metrics = { cpu: level, io: level, memory: level };
const nothing = { average: 0, min: 0, max: 0 };
const window = (of = metrics) => ({ firstTick: 0, bounds: "exact" as const, metrics: of });

function tick(number: number, ran: readonly number[], arrived: number, more: Partial<TickEvent> = {}): TickEvent {
  const entry = (id: string, arrivedTick: number) => ({ id, queryId: "q", arrivedTick });
  return {
    type: "tick",
    tick: number,
    at: number * 100,
    executed: ran.map((arrivedTick, index) => entry(`x${number}-${index}`, arrivedTick)),
    arrived: Array.from({ length: arrived }, (_, index) => ({
      ...entry(`a${number}-${index}`, number),
      tick: number + 1,
    })),
    ...more,
  };
}

describe("what the status page shows", () => {
  it("knows nothing at first", () => {
    expect(new Tracker().summary(0, 100)).toEqual({
      lateShare: null,
      planMs: null,
      inBand: { lastMinute: null, last10Minutes: null, lastHour: null },
      delaySeconds: null,
    });
  });

  it("leaves out what could not be delayed", () => {
    const tracker = new Tracker();
    tracker.begin(1);
    tracker.tick(tick(10, [10, 10, 5], 0), 0, 0.1, 100);
    tracker.tick(tick(11, [11], 2, { window: window() }), 0, 0.1, 100);
    expect(tracker.summary(0, 100).delaySeconds).toMatchObject({ mean: 0.5, p50: 0.5 });
    expect(tracker.windows()).toMatchObject([{ backlog: 2 }]);
  });

  it("tells delays in seconds of what ran", () => {
    const tracker = new Tracker();
    tracker.begin(4);
    tracker.tick(tick(10, [9, 8, 5, 0], 0), 0, 0.1, 100);
    expect(tracker.summary(0, 100).delaySeconds).toEqual({ mean: 0.45, p50: 0.2, p95: 1, p99: 1, max: 1 });
    expect(tracker.summary(0, 20).delaySeconds?.max).toBe(0.2);
  });

  it("counts an empty window as a miss only if something waited", () => {
    const idle = { cpu: nothing, io: nothing, memory: nothing };
    const waited = new Tracker();
    waited.begin(1);
    waited.tick(tick(0, [], 0, { window: window(idle) }), 0, 0.1, 100);
    expect(waited.summary(0, 100).inBand.lastMinute).toBe(0);
    const empty = new Tracker();
    empty.begin(0);
    // What arrives in a window's last tick could not have run in it.
    empty.tick(tick(0, [], 1, { window: window(idle) }), 0, 0.1, 100);
    expect(empty.summary(0, 100).inBand.lastMinute).toBe(1);
    empty.tick(tick(1, [], 0, { window: window(idle) }), 0, 0.1, 100);
    expect(empty.summary(0, 100).inBand.lastMinute).toBe(0.5);
  });

  it("judges a second of executions that last by the mean of the seconds before it", () => {
    const tracker = new Tracker();
    tracker.begin(1, true);
    const second = (cpu: number) => {
      const usage = { cpu, io: 0, memory: 0 };
      tracker.tick(
        tick(0, [], 0, { usage, window: window({ ...metrics, cpu: { average: 5, min: 0, max: 50 } }) }),
        0,
        0.1,
        100,
      );
      return tracker.windows().at(-1);
    };
    expect(second(100)).toMatchObject({ inBand: true, deviation: 0 });
    expect(second(98)).toMatchObject({ inBand: true });
    expect(second(150)).toMatchObject({ inBand: false, deviation: expect.closeTo(0.293, 2) });
    tracker.begin(1, false);
    expect(second(100)).toMatchObject({ inBand: false, deviation: 1, idle: true });
  });

  it("shows the last minute and the last ten, and forgets what is older", () => {
    const tracker = new Tracker();
    tracker.begin(0);
    const uneven = { ...metrics, io: { average: 50, min: 0, max: 60 } };
    tracker.tick(tick(0, [], 0, { window: window(uneven) }), 0, 0.1, 100);
    tracker.answered(10, 5, 0);
    tracker.tick(tick(1, [], 0, { window: window() }), 300_000, 0.1, 100);
    tracker.answered(10, 0, 300_000);
    expect(tracker.summary(300_000, 100)).toMatchObject({
      inBand: { lastMinute: 1, last10Minutes: 0.5 },
      lateShare: 0.25,
    });
    tracker.tick(tick(2, [], 0, { window: window() }), 660_000, 0.1, 100);
    expect(tracker.summary(660_000, 100)).toMatchObject({
      inBand: { last10Minutes: 1, lastHour: 2 / 3 },
      lateShare: 0,
    });
    expect(tracker.placements).toBe(20);
  });

  it("keeps what each window of the last hour was, and no more than that", () => {
    const tracker = new Tracker();
    tracker.begin(3);
    tracker.tick(tick(7, [1, 5], 4, { window: window() }), 1_000, 0.1, 100);
    expect(tracker.windows()).toEqual([
      {
        endedAt: 1_000,
        lastTick: 7,
        inBand: true,
        idle: false,
        deviation: 0,
        ran: 2,
        backlog: 5,
        delayP95Seconds: 0.6,
        metrics,
      },
    ]);
    for (let at = 1; at <= 4_000; at++) tracker.tick(tick(at, [], 0, { window: window() }), 1_000 + at, 0.1, 100);
    expect(tracker.windows()).toHaveLength(60);
    expect(tracker.windows(0)).toHaveLength(3_600);
    expect(tracker.windows(4_990)).toHaveLength(10);
    tracker.tick(tick(5_000, [], 0, { window: window() }), 3_610_000, 0.1, 100);
    expect(tracker.windows(0)).toHaveLength(1);
  });

  it("knows how many run in a second, once it has seen enough", () => {
    const tracker = new Tracker();
    for (let second = 0; second <= 40; second++) {
      expect(tracker.rate(second * 1_000)).toEqual(second < 30 ? undefined : (3 * second) / second);
      tracker.tick(tick(second, [second - 1, second - 1, second - 1], 0), second * 1_000, 0.1, 100);
    }
  });

  it("tells planning times of the last 600 plans", () => {
    const tracker = new Tracker();
    for (let plan = 0; plan < 700; plan++) tracker.planned(plan < 100 ? 1_000 : plan - 99);
    expect(tracker.summary(0, 100).planMs).toEqual({ p50: 300, p99: 594 });
  });
});
