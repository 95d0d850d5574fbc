import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import { defaultKnobs } from "../../../core/workload/steering/knobs.ts";
import type { Placement } from "../../../core/workload/types.ts";
import { silentLog } from "../../../platform/log.ts";
import { ServerUnreachable, StaleFence } from "../../../platform/server-errors.ts";
import type { HelloEvent, PlaceResponse, QueuedEntry, TickEvent } from "../../../platform/wire.ts";
import { Journal } from "../../../services/scheduler/journal.ts";
import {
  createSteeringLoop,
  placeByDelay,
  type SteeringLoopOptions,
} from "../../../services/scheduler/steering-loop.ts";
import { Tracker } from "../../../services/scheduler/tracker.ts";
import { FakeClock } from "../../support/clock.ts";
import { ShiftSteering } from "../../support/steering.ts";

const entry = (id: string, arrivedTick: number): QueuedEntry => ({
  id,
  queryId: "q",
  arrivedTick,
  tick: arrivedTick + 1,
});
const hello = (tick: number, queue: QueuedEntry[] = [], epoch = "epoch"): HelloEvent => ({
  type: "hello",
  serverId: "s",
  epoch,
  tick,
  tickMs: 100,
  windowTicks: 10,
  defaultDelayTicks: 1,
  queue,
});
const tick = (number: number, arrived: QueuedEntry[] = []): TickEvent => ({
  type: "tick",
  tick: number,
  at: number * 100,
  executed: [],
  arrived,
});

function setup(options: Partial<SteeringLoopOptions> = {}) {
  const clock = new FakeClock();
  const built: ShiftSteering[] = [];
  const sent: string[] = [];
  let answer = (placements: readonly Placement[]): Promise<PlaceResponse> =>
    Promise.resolve({ tick: 0, results: placements.map(({ id, tick: at }) => ({ id, outcome: "placed", tick: at })) });
  const stale: StaleFence[] = [];
  const tracker = new Tracker();
  const journal = new Journal();
  const loop = createSteeringLoop({
    create({ saved }) {
      const steering = new ShiftSteering(10, saved);
      built.push(steering);
      return steering;
    },
    api: "place",
    knobs: defaultKnobs,
    saved: { from: "before" },
    send(placements) {
      sent.push(placements.map(({ id, tick: at }) => `${id}@${at}`).join(" "));
      return answer(placements);
    },
    mayAct: () => true,
    onStaleFence: (error) => stale.push(error),
    tracker,
    journal,
    clock,
    log: silentLog,
    ...options,
  });
  const answerWith = (next: typeof answer) => {
    answer = next;
  };
  return { loop, clock, built, sent, stale, answerWith, tracker, journal };
}

describe("the steering loop", () => {
  it("observes, plans and posts, one request a tick, and settles what the server made of it", async () => {
    const { loop, built, sent } = setup();
    loop.onEvent(hello(4, [entry("a", 3)]));
    await turn();
    loop.onEvent(tick(5, [entry("b", 5), entry("c", 5)]));
    await turn();
    await turn();
    expect(sent).toEqual(["b@16 c@16"]);
    expect(built[0]?.told).toEqual(["resume 4: a", "tick 5: - +b c", "settle b@16 c@16"]);
    expect(built[0]?.saved).toEqual({ from: "before" });
  });

  it("tells the planner that executions last, and what ticks used and what ended in them", async () => {
    const told: unknown[] = [];
    const { loop } = setup({
      create({ clockwork }) {
        told.push(clockwork.spread);
        const steering = new ShiftSteering(10, undefined);
        steering.observe = ({ usage, ended }) => told.push(usage, ended);
        return steering;
      },
    });
    const usage = { cpu: 12.5, io: 0, memory: 8 };
    const ended = [{ id: "a", queryId: "q", startedTick: 3, durationMs: 170 }];
    loop.onEvent({ ...hello(4), spread: true });
    loop.onEvent({ ...tick(5), usage, ended });
    await turn();
    expect(told).toEqual([true, usage, ended]);
  });

  it("can say of each execution where it was placed, and with whom", async () => {
    const { loop, journal } = setup();
    loop.onEvent(hello(4, [entry("a", 3)]));
    loop.onEvent(tick(5, [entry("b", 5), entry("c", 5)]));
    await turn();
    await turn();
    expect(journal.explain("b")).toMatchObject({ placedTick: 16, matchedWith: ["c"] });
    expect(journal.explain("a")).toMatchObject({ placedTick: null, plannedAt: null });
  });

  it("plans once for all ticks that came in together", async () => {
    const { loop, sent } = setup();
    loop.onEvent(hello(-1));
    for (const number of [0, 1, 2]) loop.onEvent(tick(number, [entry(`e${number}`, number)]));
    await turn();
    expect(sent).toEqual(["e0@11 e1@12 e2@13"]);
  });

  it.each([
    ["skipped", 7],
    ["repeated", 5],
  ])("asks for a fresh hello when a tick is %s", (_, number) => {
    const { loop, built } = setup();
    loop.onEvent(hello(4));
    expect(loop.onEvent(tick(5))).toBeUndefined();
    expect(loop.onEvent(tick(number))).toBe("again");
    expect(built[0]?.told).toEqual(["resume 4: ", "tick 5: - +"]);
  });

  it("keeps its planner over a reconnect, and builds a new one from what was saved for a new epoch", () => {
    const { loop, built } = setup();
    loop.setCosts(new Map([["q", { mean: [1, 1, 1], sd: [0, 0, 0], seen: 1, lastSeenAt: 0 }]]), {
      mean: [1, 1, 1],
      sd: [1, 1, 1],
      seen: 0,
      lastSeenAt: 0,
    });
    loop.onEvent(hello(4));
    loop.onEvent(hello(9));
    expect(built).toHaveLength(1);
    loop.onEvent(hello(-1, [], "another"));
    expect(built).toHaveLength(2);
    expect(built[1]?.saved).toEqual({ ticks: 3 });
    expect(built[1]?.told).toEqual(["costs 1", "resume -1: "]);
  });

  it("does not act without the lease", async () => {
    const { loop, sent } = setup({ mayAct: () => false });
    loop.onEvent(hello(-1));
    loop.onEvent(tick(0, [entry("a", 0)]));
    await turn();
    expect(sent).toEqual([]);
  });

  it("after a failed post pauses and acts on nothing before a fresh hello", async () => {
    const { loop, clock, sent, answerWith, tracker } = setup();
    answerWith(() => Promise.reject(new ServerUnreachable("away", "unknown", undefined)));
    loop.onEvent(hello(-1));
    loop.onEvent(tick(0, [entry("a", 0)]));
    await turn();
    expect(loop.trouble).toBe("away");
    expect(tracker.summary(clock.now(), 100).lateShare).toBe(1);
    expect(loop.onEvent(tick(1, [entry("b", 1)]))).toBe("again");
    loop.onEvent(hello(1));
    loop.onEvent(tick(2, [entry("c", 2)]));
    await turn();
    expect(sent).toEqual(["a@11"]);
    await clock.advance(100);
    answerWith((placements) =>
      Promise.resolve({
        tick: 3,
        results: placements.map(({ id, tick: at }) => ({ id, outcome: "placed", tick: at })),
      }),
    );
    loop.onEvent(tick(3, [entry("d", 3)]));
    await turn();
    await turn();
    expect(sent).toEqual(["a@11", "c@13 d@14"]);
    expect(loop.trouble).toBeNull();
  });

  it("goes on after a plan that failed", async () => {
    let failing = true;
    const { loop, sent } = setup({
      create() {
        const steering = new ShiftSteering(10);
        const plan = steering.plan.bind(steering);
        steering.plan = () => {
          if (failing) throw new RangeError("no plan");
          return plan();
        };
        return steering;
      },
    });
    loop.onEvent(hello(-1));
    loop.onEvent(tick(0, [entry("a", 0)]));
    await turn();
    expect(loop.trouble).toBe("planning failed: no plan");
    failing = false;
    loop.onEvent(tick(1, [entry("b", 1)]));
    await turn();
    expect(sent).toEqual(["a@11 b@12"]);
    expect(loop.trouble).toBeNull();
  });

  it("tells a stale fence", async () => {
    const { loop, stale, answerWith } = setup();
    answerWith(() => Promise.reject(new StaleFence("a scheduler with a higher fence is at work")));
    loop.onEvent(hello(-1));
    loop.onEvent(tick(0, [entry("a", 0)]));
    await turn();
    expect(stale).toHaveLength(1);
  });

  it("leaves a saved plan aside that the planner cannot use", () => {
    const created: unknown[] = [];
    const { loop } = setup({
      create({ saved }) {
        created.push(saved);
        if (saved !== undefined) throw new Error("of another version");
        return new ShiftSteering(1);
      },
    });
    loop.onEvent(hello(3));
    expect(created).toEqual([{ from: "before" }, undefined]);
    expect(loop.tick).toBe(3);
  });
});

describe("a server that can only be asked to postpone", () => {
  it("is asked for the difference, once", async () => {
    const asked: string[] = [];
    const delay = async (id: string, ticks: number) => {
      asked.push(`${id}+${ticks}`);
      return id === "late" ? ("gone" as const) : ("delayed" as const);
    };
    const due = new Map([
      ["a", 6],
      ["there", 9],
      ["late", 6],
    ]);
    const placements = ["a", "there", "late", "unknown"].map((id) => ({ id, tick: 9 }));
    expect(await placeByDelay(delay, 5, placements, (id) => due.get(id))).toEqual({
      tick: 5,
      results: [
        { id: "a", outcome: "placed", tick: 9 },
        { id: "there", outcome: "placed", tick: 9 },
        { id: "late", outcome: "gone" },
        { id: "unknown", outcome: "gone" },
      ],
    });
    expect(asked).toEqual(["a+3", "late+3"]);
  });
});
