import { describe, expect, it } from "@jest/globals";
import type { HelloEvent, TickEvent } from "../../../platform/wire.ts";
import { Journal } from "../../../services/scheduler/journal.ts";

const entry = (id: string, arrivedTick: number) => ({ id, queryId: `of-${id}`, arrivedTick, tick: arrivedTick + 1 });
const hello = (tick: number, queue: HelloEvent["queue"]): HelloEvent => ({
  type: "hello",
  serverId: "s",
  epoch: "e",
  tick,
  tickMs: 100,
  windowTicks: 10,
  defaultDelayTicks: 1,
  queue,
});
const tick = (number: number, ran: TickEvent["executed"], arrived: TickEvent["arrived"], at = number * 100) => ({
  type: "tick" as const,
  tick: number,
  at,
  executed: ran,
  arrived,
});

describe("why an execution ran when it did", () => {
  it("is told before and after it ran, with those that ran beside it", () => {
    const journal = new Journal();
    journal.begin(hello(9, [entry("a", 5)]), 900);
    journal.tick(tick(10, [], [entry("b", 10), entry("c", 10)]));
    expect(journal.explain("b")).toEqual({
      executionId: "b",
      queryId: "of-b",
      arrivedAt: 1_000,
      arrivedTick: 10,
      plannedAt: null,
      placedTick: null,
      reason: expect.stringContaining("not placed yet"),
      matchedWith: [],
      executedAt: null,
      executedTick: null,
    });
    const placements = [
      { id: "a", tick: 11 },
      { id: "b", tick: 11 },
      { id: "c", tick: 14 },
    ];
    journal.planned(placements, 11, true, 1_001);
    journal.answered({ tick: 10, results: [{ id: "c", outcome: "placed", tick: 15 }] });
    expect(journal.explain("a")).toMatchObject({ arrivedAt: 500, plannedAt: 1_001, matchedWith: ["b"] });
    expect(journal.explain("c")).toMatchObject({ placedTick: 15, reason: expect.stringContaining("held") });
    journal.tick(tick(11, [entry("a", 5), entry("b", 10)], []));
    expect(journal.explain("a")).toMatchObject({
      reason: "ran after 6 ticks, chosen to make a level tick with 1 others",
      matchedWith: ["b"],
      executedAt: 1_100,
      executedTick: 11,
    });
  });

  it("is told of what was released, and of what nobody moved", () => {
    const journal = new Journal();
    journal.tick(tick(0, [], [entry("a", 0), entry("b", 0)]));
    journal.planned([{ id: "a", tick: 3 }], 1, false, 50);
    journal.tick(tick(1, [entry("b", 0)], []));
    journal.tick(tick(3, [entry("a", 0)], []));
    expect(journal.explain("b")?.reason).toMatch(/did not move it/);
    expect(journal.explain("a")?.reason).toMatch(/released/);
  });

  it("forgets after five minutes, and beyond twenty thousand", () => {
    const journal = new Journal();
    journal.tick(tick(0, [], [entry("a", 0)]));
    journal.tick(tick(1, [], [entry("b", 1)], 299_000));
    expect(journal.explain("a")).toBeDefined();
    journal.tick(tick(2, [], [], 300_001));
    expect(journal.explain("a")).toBeUndefined();
    const many = Array.from({ length: 20_001 }, (_, at) => entry(`m${at}`, 3));
    journal.tick(tick(3, [], many, 300_100));
    expect(journal.explain("b")).toBeUndefined();
    expect(journal.explain("m0")).toBeUndefined();
    expect(journal.explain("m1")).toBeDefined();
  });
});
