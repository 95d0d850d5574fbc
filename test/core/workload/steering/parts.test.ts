import { describe, expect, it } from "@jest/globals";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { exchange } from "../../../../core/workload/steering/exchange.ts";
import { checkKnobs, defaultKnobs, KnobsError } from "../../../../core/workload/steering/knobs.ts";
import { beginPairs } from "../../../../core/workload/steering/pairs-window.ts";
import { Parking } from "../../../../core/workload/steering/parking.ts";
import { urgency } from "../../../../core/workload/steering/problem.ts";
import { Traffic } from "../../../../core/workload/steering/traffic.ts";
import { WindowPhase } from "../../../../core/workload/steering/window-phase.ts";
import { itemsOf } from "./items.ts";

describe("knobs", () => {
  it.each([
    [{ latencyP95Seconds: 0 }, /latencyP95Seconds must be above 0/],
    [{ latencyP95Seconds: Number.NaN }, /latencyP95Seconds/],
    [{ bandWidth: 1 }, /bandWidth must lie between 0 and 1/],
    [{ timeBudgetMs: -1 }, /timeBudgetMs must be above 0/],
    [{ deadlineSeconds: { q: -1 } }, /deadline of query q must be 0 or more/],
  ])("%j is refused in words", (wrong, message) => {
    expect(() => checkKnobs({ ...defaultKnobs, ...wrong })).toThrow(KnobsError);
    expect(() => checkKnobs({ ...defaultKnobs, ...wrong })).toThrow(message);
  });
});

describe("parking", () => {
  it("fills each tick up to its capacity, the earliest first", () => {
    const parking = new Parking();
    const ticks = itemsOf([
      [50, 40, 40],
      [50, 40, 40],
      [50, 40, 40],
    ]).map((item) => {
      item.tick = parking.find(item, 5, [100, 100, 100]);
      parking.add(item);
      return item.tick;
    });
    expect(ticks).toEqual([5, 5, 6]);
  });

  it("takes one execution that is larger than any tick's capacity", () => {
    const [item] = itemsOf([[500, 1, 1]]);
    expect(item && new Parking().find(item, 7, [100, 100, 100])).toBe(7);
  });
});

describe("the window's phase", () => {
  it("is tick 0's before a window closed, then follows what closes", () => {
    const phase = new WindowPhase(10);
    expect(phase.positionOf(10)).toBe(0);
    phase.closed(12);
    expect([13, 22, 23].map((tick) => phase.positionOf(tick))).toEqual([0, 9, 0]);
  });
});

describe("traffic", () => {
  const traffic = new Traffic(undefined);
  for (let tick = 0; tick < 100; tick++) traffic.observe(tick % 2 === 0 ? ["a", "a"] : ["b"]);

  it("tells how often each query comes, per tick", () => {
    const rates = new Map(traffic.streams(() => [1, 1, 1]).map(({ queryId, rate }) => [queryId, rate]));
    expect(rates.get("a")).toBeCloseTo(1, 5);
    expect(rates.get("b")).toBeCloseTo(0.5, 5);
  });

  it("survives a restart", () => {
    const restored = new Traffic(JSON.parse(JSON.stringify(traffic.save())));
    expect(restored.rate).toBeCloseTo(traffic.rate, 9);
    expect(restored.streams(() => [1, 1, 1])).toEqual(traffic.streams(() => [1, 1, 1]));
  });

  it.each([undefined, null, 7, {}, { rate: -1, counts: [] }, { rate: 1, counts: [["a", 1e9]] }])(
    "begins anew with %j",
    (saved) => {
      expect(new Traffic(saved).rate).toBe(0);
    },
  );
});

describe("urgency", () => {
  it("grows with age, jumps before the budget ends, is gone once it is exceeded, and jumps again long after", () => {
    const at = (age: number, dueTicks = 60) => urgency(age, { budgetTicks: 60, dueTicks }, 10);
    const [young = 0, pressing = 0, late = 0, old = 0] = [10, 45, 70, 140].map((age) => at(age));
    expect(at(30, 45)).toBeGreaterThan(at(30) + 1);
    expect(at(70, 45)).toBe(late);
    expect(late).toBeLessThan(young);
    expect(pressing).toBeGreaterThan(young + 1);
    expect(old).toBeGreaterThan(pressing);
  });
});

describe("the exchange", () => {
  const problem = {
    perTick: 2,
    remainingTicks: 2,
    realised: [],
    bandWidth: 0.1,
    tries: 500,
    heatAtFirst: 0.01,
    keepBefore: 0,
    inTime: () => true,
  };

  it("finds groups of equal sums that the order of arrival does not give", () => {
    const items = itemsOf([
      [70, 70, 70],
      [70, 70, 70],
      [30, 30, 30],
      [30, 30, 30],
    ]);
    expect(exchange({ ...problem, items }, xoroshiro128plus(1)).excess).toBe(0);
    expect(exchange({ ...problem, items, tries: 0 }, xoroshiro128plus(1)).excess).toBeGreaterThan(0.5);
  });

  it("stops at its time budget with the best plan so far", () => {
    const items = itemsOf(Array.from({ length: 40 }, (_, at) => [30 + at, 70 - at, 50]));
    let asked = 0;
    const { groups } = exchange(
      { ...problem, items, tries: 1_000_000, inTime: () => ++asked < 3 },
      xoroshiro128plus(1),
    );
    expect(asked).toBeLessThanOrEqual(4);
    expect(groups.map((group) => group.length)).toEqual([2, 2]);
  });
});

describe("a window of pairs", () => {
  it("is planned whole, however many ticks it has", () => {
    const items = itemsOf(Array.from({ length: 160 }, (_, at) => (at % 2 === 0 ? [40, 60, 50] : [60, 40, 50])));
    const windowTicks = 50;
    const plan = beginPairs(
      {
        ...{
          items,
          backlog: items.length,
          next: 200,
          position: 0,
          windowTicks,
          realised: [],
          arrivalRate: 1.5,
          streams: [],
        },
        ...{ budgetTicks: 300, dueTicks: 300, credit: 0, overdrawn: false, bandWidth: 0.1, inTime: () => true },
      },
      { held: new Set(), least: windowTicks },
    );
    expect(plan?.wanted?.size).toBe(2 * windowTicks);
  });
});
