import { describe, expect, it } from "@jest/globals";
import { Arrivals } from "../../../../core/workload/pacing/arrivals.ts";
import { Level } from "../../../../core/workload/pacing/level.ts";

function arrivalsOf(seconds: readonly number[]): Arrivals {
  const arrivals = new Arrivals();
  for (const work of seconds) {
    arrivals.add(work);
    arrivals.closeSecond();
  }
  return arrivals;
}
const bursts = (count: number, every: number, work: number) =>
  Array.from({ length: count * every + 1 }, (_, second) => (second % every === 0 ? work : 0));

describe("the mean of what arrives", () => {
  it("is known, without a ripple, from the second burst on", () => {
    expect(arrivalsOf(bursts(1, 12, 9_600).slice(0, 12)).mean(10)).toBeUndefined();
    for (let more = 0; more < 30; more++)
      expect(arrivalsOf([...bursts(1, 12, 9_600), ...bursts(3, 12, 9_600).slice(1, 1 + more)]).mean(10)).toBeCloseTo(
        800,
      );
  });

  it("stays right when the oldest bursts are forgotten", () => {
    expect(arrivalsOf(bursts(40, 12, 9_600)).mean(10)).toBeCloseTo(800);
  });

  it("counts a burst that two seconds share once", () => {
    const shared = Array.from({ length: 61 }, (_, second) => [4_000, 5_600][second % 12] ?? 0);
    expect(arrivalsOf(shared).mean(10)).toBeCloseTo(800);
  });

  it("leaves out a pause between bursts at equal distances", () => {
    const [before, after] = [bursts(6, 12, 9_600), bursts(4, 12, 9_600)];
    const mean = arrivalsOf([...before, ...Array(30).fill(0), ...after]).mean(10) ?? 0;
    expect(Math.abs(mean - 800)).toBeLessThan(20);
  });

  it("is not raised by a time in which what came at once starts bit by bit", () => {
    const flat = Array.from({ length: 61 }, (_, second) => (second % 12 < 6 ? 1_600 : 0));
    const mean = arrivalsOf([...bursts(6, 12, 9_600), ...flat, ...bursts(4, 12, 9_600)]).mean(10) ?? 0;
    // All of its work over one distance would be some 1,200.
    expect(Math.abs(mean - 800)).toBeLessThan(20);
  });

  it("counts every second between bursts at unequal distances", () => {
    const starts = [0, 6, 24, 33, 48, 78];
    const work = Array.from({ length: 79 }, (_, second) => (starts.includes(second) ? 7_800 : 0));
    expect(arrivalsOf(work).mean(10)).toBeCloseTo((5 * 7_800) / 78);
  });

  it("is that of a steady flow, too, and of none", () => {
    expect(arrivalsOf(Array(40).fill(500)).mean(10)).toBeCloseTo(500);
    expect(arrivalsOf(Array(40).fill(0)).mean(10)).toBe(0);
  });
});

describe("the level of a second", () => {
  const before = {
    waitingMs: 5_000,
    arrivingMs: 800,
    budgetMs: 800,
    neededMs: 600,
    shortMs: 0,
    backgroundMs: 100,
    cycle: 13,
  };

  it("is what the budget asks for before the mean is known, and the mean then", () => {
    const level = new Level();
    expect(level.next({ ...before, arrivingMs: undefined })).toBe(900);
    expect(level.next(before)).toBe(900);
  });

  it("rises by a little where more is held than is needed, and falls where work ran out", () => {
    const [high, low] = [new Level(), new Level()];
    for (let second = 0; second < 60; second++) {
      high.next({ ...before, waitingMs: 4_000 });
      low.next({ ...before, waitingMs: second % 12 < 8 ? 4_000 : 0, shortMs: 400 });
    }
    expect(high.next(before)).toBeCloseTo(1.08 * 900);
    expect(low.next(before)).toBeCloseTo(0.92 * 900);
  });

  it("does not fall while nobody is held, however little is used", () => {
    const level = new Level();
    for (let second = 0; second < 60; second++) level.next({ ...before, waitingMs: 0, shortMs: 700 });
    expect(level.next(before)).toBeCloseTo(900, -1);
  });

  it("is never below what must be done for the budget to be kept", () => {
    expect(new Level().next({ ...before, neededMs: 1_500 })).toBe(1_600);
  });
});
