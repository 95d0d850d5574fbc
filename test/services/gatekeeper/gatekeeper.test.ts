import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { GateBatch, GateEvent, GateExecutions, GateMessage } from "../../../platform/gate-wire.ts";
import { silentLog } from "../../../platform/log.ts";
import type { Outbox } from "../../../platform/outbox.ts";
import { type OutboxRow, type StreamEvent, streamEvent, type TickEvent } from "../../../platform/wire.ts";
import { Gatekeeper } from "../../../services/gatekeeper/gatekeeper.ts";
import { Journal } from "../../../services/gatekeeper/journal.ts";
import { Roster } from "../../../services/gatekeeper/roster.ts";
import { FakeClock } from "../../support/clock.ts";
import { plainIdentities, rowsOf } from "../../support/gatekeeper.ts";
import { openTestOutbox } from "../../support/outbox.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let clock: FakeClock;
let outbox: Outbox;
let gatekeeper: Gatekeeper;
let batches = 0;

beforeEach(() => {
  directory = temporaryDirectory();
  clock = new FakeClock();
  outbox = openTestOutbox(directory.path, { clock });
  gatekeeper = create("e1");
});
afterEach(() => {
  outbox.close();
  directory[Symbol.dispose]();
});

function create(epoch: string, of: Pick<Outbox, "append"> = outbox, roster?: Roster): Gatekeeper {
  const journaled = Object.create(outbox, { append: { value: of.append.bind(of) } });
  for (const name of ["read", "unsettled", "recordedAndHeld"] as const)
    Object.defineProperty(journaled, name, { value: outbox[name].bind(outbox) });
  Object.defineProperty(journaled, "lastPosition", { get: () => outbox.lastPosition });
  return new Gatekeeper({
    ...{
      serverId: "s",
      epoch,
      clockwork: { tickMs: 100, windowTicks: 10, defaultDelayTicks: 3 },
      clock,
      log: silentLog,
    },
    identities: plainIdentities,
    journal: new Journal({ outbox: journaled, log: silentLog }),
    ...(roster && { roster }),
    outboxInfo: () => ({ ...outbox.state(), lastSentAt: null, trouble: null }),
  });
}

/** Time passes in steps of 10 ms; the gatekeeper does what is due. */
function pass(ms: number): void {
  for (let left = ms; left > 0; left -= 10) {
    clock.stall(Math.min(10, left));
    gatekeeper.advance();
  }
}

interface Execution {
  readonly id: string;
  readonly durationMs: number | null;
  readonly agoMs: number;
}

/** Executions are told by their number: an id is that of its process, and a number. */
function columns(executions: readonly Execution[]): GateExecutions {
  return {
    number: executions.map(({ id }) => Number(id.split("-")[1])),
    statement: executions.map(() => 0),
    heldMs: executions.map(() => 0),
    agoMs: executions.map(({ agoMs }) => agoMs),
    durationMs: executions.map(({ durationMs }) => durationMs),
  };
}

function report(told: (GateEvent | Execution)[], more: Partial<GateBatch> = {}) {
  return gatekeeper.report({
    ...{ process: "p", application: "shop", database: "d", role: "r", mode: "enforce", number: ++batches },
    statements: [{ id: "q0" }, { id: "q1" }],
    events: told.flatMap((one) => ("type" in one ? [one] : [])),
    executions: columns(told.flatMap((one) => ("type" in one ? [] : [one]))),
    ...more,
  });
}

const queued = (id: string, withinMs = 10_000, shadow = false): GateEvent => ({
  ...{ type: "queued", id, statement: 0, agoMs: 0, withinMs, shadow },
});
const begun = (id: string, agoMs = 0): Execution => ({ id, agoMs, durationMs: null });
const ended = (id: string, durationMs: number, agoMs = durationMs): Execution => ({ id, agoMs, durationMs });

/** What a process hears but that the gatekeeper lives. */
function listen(process = "p"): GateMessage[] {
  const heard: GateMessage[] = [];
  gatekeeper.follow(process, (message) => message.type !== "alive" && heard.push(message));
  return heard;
}

/** As a scheduler does. */
function follow(): StreamEvent[] {
  const events: StreamEvent[] = [];
  gatekeeper.subscribe((event) => events.push(streamEvent.parse(event)), 1);
  return events;
}

const ticksOf = (events: readonly StreamEvent[]): TickEvent[] => events.filter((event) => event.type === "tick");
const rows = (type: OutboxRow["type"]) => rowsOf(outbox).filter((row) => row.type === type);

describe("what waits", () => {
  it("is told, placed, let go when its tick begins, and told again when it has begun", async () => {
    const events = follow();
    pass(10);
    report([]);
    const heard = listen();
    report([queued("p-1")]);
    pass(140);
    expect(ticksOf(events)).toMatchObject([
      { tick: 0, arrived: [{ id: "p-1", queryId: "q0", arrivedTick: 0, tick: 3, latestTick: 100 }] },
    ]);
    const placed = await gatekeeper.place(1, [
      { id: "p-1", tick: 7 },
      { id: "p-2", tick: 7 },
    ]);
    expect(placed).toEqual({
      tick: 1,
      results: [
        { id: "p-1", outcome: "placed", tick: 7 },
        { id: "p-2", outcome: "gone" },
      ],
    });
    pass(540);
    expect(heard).toEqual([{ type: "hello", epoch: "e1" }]);
    pass(10);
    expect(heard.slice(1)).toEqual([{ type: "release", ids: ["p-1"] }]);
    clock.stall(5);
    report([begun("p-1")]);
    pass(300);
    const told = ticksOf(events).filter(({ executed }) => executed.length > 0);
    expect(told).toMatchObject([{ tick: 7, executed: [{ id: "p-1", queryId: "q0", arrivedTick: 0 }] }]);
  });

  it("waits for its default delay when nobody places it", () => {
    follow();
    report([]);
    const heard = listen();
    report([queued("p-1")]);
    pass(290);
    expect(heard.length).toBe(1);
    pass(10);
    expect(heard[1]).toEqual({ type: "release", ids: ["p-1"] });
  });

  it("is let go in time, wherever it is placed", async () => {
    follow();
    report([]);
    const heard = listen();
    report([queued("p-1", 550), queued("p-2", 50)]);
    expect(heard.slice(1)).toEqual([{ type: "release", ids: ["p-2"] }]);
    expect((await gatekeeper.place(1, [{ id: "p-1", tick: 90 }]))?.results[0]?.tick).toBe(5);
    pass(500);
    expect(heard.slice(2)).toEqual([{ type: "release", ids: ["p-1"] }]);
  });

  it("is not placed before its default delay, nor into the past, nor by a stale fence", async () => {
    follow();
    report([queued("p-1")]);
    const tickOf = async (fence: number, tick: number) =>
      (await gatekeeper.place(fence, [{ id: "p-1", tick }]))?.results[0]?.tick;
    expect(await tickOf(2, 0)).toBe(3);
    expect(await tickOf(1, 50)).toBeUndefined();
    expect(await tickOf(2, 50)).toBe(50);
    pass(1_000);
    expect(await tickOf(2, 2)).toBe(11);
  });

  it("is let go at once while no scheduler follows, whoever else does", async () => {
    report([]);
    const heard = listen();
    const released = () => heard.flatMap((message) => (message.type === "release" ? message.ids : []));
    report([queued("p-1")]);
    gatekeeper.subscribe(() => {});
    report([queued("p-2")]);
    expect(released()).toEqual(["p-1", "p-2"]);
    const leave = gatekeeper.subscribe(() => {}, 5);
    report([queued("p-3"), queued("p-4")]);
    expect(released()).toEqual(["p-1", "p-2"]);
    await gatekeeper.place(5, [{ id: "p-3", tick: 50 }]);
    leave();
    // One whose lease is older than that of one that placed.
    gatekeeper.subscribe(() => {}, 4);
    report([queued("p-5")]);
    expect(released()).toEqual(["p-1", "p-2", "p-5"]);
  });

  it("is held one at a time for a scheduler that has placed nothing of what came due for a minute", async () => {
    report([]);
    const heard = listen();
    const released = () => heard.flatMap((message) => (message.type === "release" ? message.ids : []));
    follow();
    // Time in which nothing waits says nothing.
    pass(70_000);
    report([queued("p-1"), queued("p-2")]);
    expect(released()).toEqual([]);
    pass(61_000);
    expect(released()).toEqual(["p-1", "p-2"]);
    report([queued("p-3"), queued("p-4")]);
    expect(released().slice(2)).toEqual(["p-4"]);
    await gatekeeper.place(1, [{ id: "p-3", tick: 1_400 }]);
    report([queued("p-5"), queued("p-6")]);
    expect(released().slice(2)).toEqual(["p-4"]);
  });

  it("may begin by the application's own clock, and may be given up", async () => {
    const events = follow();
    await gatekeeper.place(1, [{ id: "gone", tick: 1 }]);
    report([queued("p-1"), queued("p-2")]);
    await gatekeeper.place(1, [
      { id: "p-1", tick: 50 },
      { id: "p-2", tick: 50 },
    ]);
    pass(300);
    report([begun("p-1"), { type: "cancelled", id: "p-2" }]);
    expect(gatekeeper.queue()).toEqual([]);
    pass(200);
    expect(
      events
        .filter((event) => event.type === "hello")
        .at(-1)
        ?.queue.map(({ id }) => id),
    ).toEqual(["p-1"]);
    const executed = ticksOf(events).flatMap((event) => event.executed.map(({ id }) => id));
    expect(executed).toEqual(["p-1"]);
  });

  it("is listed and postponed as on every server", async () => {
    follow();
    report([queued("p-1")]);
    expect(gatekeeper.queue()).toMatchObject([
      { query: { id: "q0" }, execution: { id: "p-1", tick: 3, arrivedTick: 0 } },
    ]);
    expect(await gatekeeper.delay("p-1", 4)).toEqual({ outcome: "delayed" });
    expect(gatekeeper.queue()).toMatchObject([{ execution: { tick: 7, timestamp: clock.now() + 700 } }]);
    expect(await gatekeeper.delay("p-9", 4)).toEqual({ outcome: "unknown" });
  });

  it("of several processes has one plan, and each hears of its own", async () => {
    const events = follow();
    await gatekeeper.place(1, [{ id: "gone", tick: 1 }]);
    report([queued("p-1")]);
    report([queued("y1")], { process: "other" });
    const [one, other] = [listen(), listen("other")];
    pass(150);
    expect(ticksOf(events)[0]?.arrived.map(({ id }) => id)).toEqual(["p-1", "y1"]);
    pass(200);
    expect([one[1], other[1]]).toEqual([
      { type: "release", ids: ["p-1"] },
      { type: "release", ids: ["y1"] },
    ]);
  });

  it("is let go again for a process whose stream was not there", () => {
    report([queued("p-1")]);
    expect(listen()).toEqual([
      { type: "hello", epoch: "e1" },
      { type: "release", ids: ["p-1"] },
    ]);
    expect(gatekeeper.follow("unknown", () => {})).toBeUndefined();
  });
});

describe("shadow mode", () => {
  it("tells what would have been, and records what was", async () => {
    const events = follow();
    report([], { mode: "shadow" });
    const heard = listen();
    report([queued("p-1", 10_000, true), begun("p-1")], { mode: "shadow" });
    await gatekeeper.place(1, [{ id: "p-1", tick: 8 }]);
    pass(250);
    report([ended("p-1", 250)]);
    pass(1_500);
    expect(heard.slice(1)).toEqual([
      { type: "shadow", would: [{ id: "p-1", delayMs: 800, why: "placed there by the scheduler" }] },
    ]);
    expect(rows("execution")).toMatchObject([{ executionId: "p-1", tick: 0, delayTicks: 0, durationMs: 250 }]);
    const told = ticksOf(events);
    expect(told.filter(({ executed }) => executed.length > 0)).toMatchObject([
      { tick: 8, executed: [{ arrivedTick: 0 }] },
    ]);
    expect(told.filter((event) => event.ended?.length)).toMatchObject([
      { tick: 10, ended: [{ startedTick: 8, durationMs: 250 }] },
    ]);
  });

  it("says so when nothing would have been delayed", () => {
    report([], { mode: "shadow" });
    const heard = listen();
    report([queued("p-1", 10_000, true), begun("p-1")], { mode: "shadow" });
    expect(heard[1]).toMatchObject({ type: "shadow", would: [{ id: "p-1", delayMs: 0 }] });
  });
});

describe("the record", () => {
  it("has an execution when it has ended, with when it began and how long it lasted", () => {
    const startedAt = clock.now();
    report([queued("p-1")]);
    pass(200);
    report([begun("p-1")]);
    pass(300);
    expect(rows("execution")).toEqual([]);
    report([ended("p-1", 300)]);
    pass(100);
    expect(rows("execution")).toEqual([
      {
        ...{ type: "execution", sequence: 1, epoch: "e1", executionId: "p-1", queryId: "q0" },
        ...{ arrivedAt: startedAt + 200, executedAt: startedAt + 200, tick: 2, delayTicks: 0, durationMs: 300 },
      },
    ]);
    expect(gatekeeper.info()).toMatchObject({ kind: "native", spread: true, counted: { executions: 1 } });
  });

  it("has it once, though it is told again, also to a gatekeeper after this one", () => {
    report([begun("p-1"), ended("p-1", 5)]);
    report([ended("p-1", 5), begun("p-1"), ended("p-2", 7)]);
    pass(100);
    gatekeeper = create("e2");
    report([ended("p-1", 5), ended("p-2", 7), ended("p-3", 9), begun("p-2")]);
    pass(100);
    expect(rows("execution").map((row) => "executionId" in row && row.executionId)).toEqual(["p-1", "p-2", "p-3"]);
  });

  it("planted fault: a gatekeeper that does not look into its outbox has it twice", () => {
    report([ended("p-1", 5)]);
    pass(100);
    const blind = { ...plainOutbox(), append: outbox.append.bind(outbox) };
    const journal = new Journal({ outbox: blind, log: silentLog });
    const [row] = rows("execution");
    if (row?.type !== "execution") throw new Error("no row");
    const { sequence: _, ...again } = row;
    journal.add(again);
    journal.write();
    expect(rows("execution")).toHaveLength(2);
  });

  it("says what is on disk, and takes no more when too much waits for the disk", () => {
    let full = true;
    gatekeeper = create("e1", {
      append: (given) => {
        if (full) throw new Error("no space left on device");
        return outbox.append(given);
      },
    });
    const many = Array.from({ length: 2_000 }, (_, index) => ended(`p-${index}`, 1));
    expect(report(many)).toMatchObject({ epoch: "e1", durable: -1, ids: ["q0", "q1"] });
    pass(100);
    expect(report([]).durable).toBe(-1);
    expect(gatekeeper.info().outbox.trouble).toContain("no space left on device");
    expect(() => {
      for (let times = 1; times < 20; times++) report(many.map((_, index) => ended(`p-${index + times * 2_000}`, 1)));
    }).toThrow("no space left on device");
    full = false;
    pass(100);
    expect(report([]).durable).toBeGreaterThan(0);
    expect(rows("execution").length).toBeGreaterThan(18_000);
  });

  it("has what ran while nobody listened, with its true times, and not as if it ran now", () => {
    const events = follow();
    const now = clock.now();
    pass(1_000);
    report([ended("p-1", 50, 60_000)]);
    pass(1_500);
    expect(rows("execution")).toMatchObject([{ executedAt: now + 1_000 - 60_000, durationMs: 50 }]);
    expect(ticksOf(events).flatMap(({ executed }) => executed)).toEqual([]);
  });

  it("has a gap for what found no room", () => {
    const now = clock.now();
    pass(1_000);
    report([{ type: "lost", id: "l", count: 7, fromAgoMs: 900, toAgoMs: 100 }]);
    pass(100);
    expect(rows("gap")).toMatchObject([
      { from: now + 100, to: now + 900, reason: expect.stringContaining("7 executions of shop") },
    ]);
  });

  it("has a gap for a window of more queries than a message holds, and all of their executions", () => {
    const statements = Array.from({ length: 1_300 }, (_, index) => ({ id: `${index}-`.padEnd(190, "q") }));
    const all = columns(statements.map((_, index) => ended(`p-${index}`, 12.34)));
    report([], { statements, executions: { ...all, statement: [...statements.keys()] } });
    pass(2_000);
    expect(rows("execution")).toHaveLength(1_300);
    expect(rows("gap")).toMatchObject([{ reason: expect.stringContaining("too large to be recorded") }]);
  });

  it("keeps wall times when the wall clock jumps", () => {
    pass(500);
    clock.setWall(clock.now() + 3_600_000);
    report([ended("p-1", 100)]);
    pass(100);
    const [row] = rows("execution");
    expect(row).toMatchObject({ tick: 4, executedAt: clock.now() - 200 });
  });
});

describe("a process that dies", () => {
  const dead = (process = "p") => {
    const end = gatekeeper.follow(process, () => {});
    return () => end?.();
  };

  it("is given five seconds; then what it had begun is recorded as far as it is known, and what waited is forgotten", async () => {
    follow();
    report([]);
    const end = dead();
    report([queued("p-1"), queued("p-2"), begun("p-3")]);
    await gatekeeper.place(1, [{ id: "p-1", tick: 90 }]);
    pass(400);
    end();
    pass(4_900);
    expect(rows("execution")).toEqual([]);
    pass(200);
    const recorded = rows("execution").map((row) => ("executionId" in row ? [row.executionId, row.durationMs] : []));
    // x2 was let go after its default delay: it may have begun.
    expect(recorded.sort()).toEqual(
      [
        ["p-1", undefined],
        ["p-2", undefined],
        ["p-3", undefined],
      ].slice(1),
    );
    expect(gatekeeper.queue()).toEqual([]);
    report([ended("p-3", 100, 5_000)]);
    pass(100);
    expect(rows("execution")).toHaveLength(2);
  });

  it("leaves a gap when it had told something just before", () => {
    report([]);
    const end = dead();
    pass(1_000);
    report([ended("p-1", 1)]);
    pass(20);
    end();
    pass(5_100);
    expect(rows("gap")).toMatchObject([{ reason: expect.stringContaining("shop died") }]);
  });

  it("leaves none when it had told nothing for a while, or said goodbye", () => {
    report([ended("p-1", 1)]);
    report([], { process: "other", closing: true });
    const [end, endOther] = [dead(), dead("other")];
    pass(1_000);
    end();
    endOther();
    pass(6_000);
    expect(rows("gap")).toEqual([]);
    expect(gatekeeper.processes()).toEqual([]);
  });

  it("may come back", () => {
    report([begun("p-1")]);
    const end = dead();
    pass(1_000);
    end();
    pass(3_000);
    dead();
    pass(9_000);
    report([ended("p-1", 13_000)]);
    pass(100);
    expect(rows("execution")).toMatchObject([{ durationMs: 13_000 }]);
  });
});

describe("an application that dies while no gatekeeper is there", () => {
  const file = () => join(directory.path, "processes.json");
  const roster = () => new Roster(file(), silentLog);
  const gaps = () => rows("gap").map((row) => (row.type === "gap" ? row : undefined));

  it("leaves a gap from the oldest that it ran; one that comes back, or said goodbye, leaves none", () => {
    gatekeeper = create("e1", outbox, roster());
    const start = clock.now();
    pass(500);
    for (const process of ["dies", "lives", "closes"]) report([], { process });
    for (const process of ["dies", "lives"]) listen(process);
    report([begun("p-1", 300)], { process: "dies" });
    report([], { process: "closes", closing: true });
    pass(5_000);

    gatekeeper = create("e2", outbox, roster());
    pass(3_000);
    report([], { process: "lives" });
    listen("lives");
    pass(6_900);
    expect(gaps()).toEqual([]);
    // It dies, too, before it has told: the next one still knows.
    gatekeeper = create("e3", outbox, roster());
    report([], { process: "lives" });
    listen("lives");
    pass(10_100);
    expect(gaps()).toEqual([
      expect.objectContaining({ epoch: "e3", from: start + 200, reason: expect.stringContaining("shop") }),
    ]);
    gatekeeper = create("e4", outbox, roster());
    report([], { process: "lives" });
    listen("lives");
    pass(12_000);
    expect(gaps()).toHaveLength(1);
  });

  it("goes unnoticed without the list of those that were there", () => {
    gatekeeper = create("e1");
    report([begun("p-1")]);
    pass(1_000);
    gatekeeper = create("e2");
    pass(12_000);
    expect(gaps()).toEqual([]);
  });

  it("leaves a gap also where that list cannot be read, and a full disk harms nothing", () => {
    gatekeeper = create("e1", outbox, new Roster(join(directory.path, "no", "such"), silentLog));
    report([ended("p-1", 1)]);
    pass(2_000);
    expect(rows("execution")).toHaveLength(1);
    writeFileSync(file(), '[{"id": "p", "appl');
    gatekeeper = create("e2", outbox, roster());
    pass(10_100);
    expect(gaps()).toMatchObject([{ reason: expect.stringContaining("an unknown application") }]);
    expect(readFileSync(file(), "utf8")).toBe("[]");
  });
});

describe("metrics windows", () => {
  const sample = (from: number, to: number, cpuMs: number) => ({ from, to, cpuMs, ioKiB: 0, memoryMiB: 10 });

  it("tell what was active, and what each tick used", () => {
    const start = clock.now();
    const events = follow();
    listen();
    const uses = (from: number, to: number, cpuMs: number) =>
      gatekeeper.sampled([sample(start + from, start + to, cpuMs)]);
    uses(0, 300, 150);
    pass(250);
    report([begun("p-1")]);
    uses(300, 400, 100);
    uses(400, 1_200, 400);
    pass(900);
    report([ended("p-1", 900), ended("p-2", 20, 20)]);
    pass(1_000);
    const [first, second] = rows("window");
    expect(first).toMatchObject({
      ...{ firstTick: 0, endedAt: start + 1_000, queries: ["q0"] },
      ticks: [[], [], [0], [], [], [], [], [], [], []],
      active: [{ query: 0, from: 250, to: 1_000, durationMs: 900 }],
      usage: { cpu: [50, 50, 50, 100, 50, 50, 50, 50, 50, 50], memory: Array(10).fill(10) },
      metrics: { cpu: { average: 55, min: 50, max: 100 } },
    });
    expect(second).toMatchObject({
      active: [
        { from: 0, to: 150 },
        { from: 130, to: 150, durationMs: 20 },
      ],
    });
    expect(second && "usage" in second).toBe(false);
    expect(ticksOf(events).find(({ tick }) => tick === 9)?.window?.metrics.cpu).toEqual({
      average: 55,
      min: 50,
      max: 100,
    });
    expect(gatekeeper.resources()).toMatchObject({ cpu: { average: 55 }, timestamp: start + 1_000 });
  });

  it("tell what began in one tick and ended in one as one, by query, so that thousands a second find room in a row", () => {
    listen();
    pass(150);
    report([ended("p-1", 20, 30), ended("p-2", 40, 40), ended("p-3", 110), ended("p-4", 130)]);
    const many = Array.from({ length: 1_000 }, (_, at) => ended(`p-${10 + at}`, 2));
    for (let batch = 0; batch < 4; batch++) {
      report(many.map(({ id, ...one }) => ({ ...one, id: `${id}${String(batch).padStart(2, "0")}` })));
    }
    pass(1_500);
    const [first] = rows("window");
    expect(first).toMatchObject({
      active: [
        { query: 0, durationMs: expect.closeTo((4_000 * 2 + 60) / 4_002, 2), times: 4_002 },
        { query: 0, from: 30, to: 150, durationMs: 120, times: 2 },
      ],
    });
    expect(rows("gap")).toEqual([]);
    expect(rows("execution")).toHaveLength(4_004);
  });

  it("are recorded when all that was active in them has ended, or after half a minute", () => {
    report([begun("p-1")]);
    listen();
    pass(20_000);
    expect(rows("window")).toEqual([]);
    report([ended("p-1", 20_000)]);
    report([begun("p-2")]);
    pass(30_000);
    expect(rows("window")).toHaveLength(20);
    pass(1_500);
    const windows = rows("window");
    expect(windows).toHaveLength(21);
    expect(windows.at(-1)).toMatchObject({ active: [{ to: 1_000, durationMs: null }] });
  });

  it("without a sampler have no usage, and /resources says so", () => {
    pass(1_200);
    expect(rows("window")[0]).toMatchObject({ metrics: { cpu: { max: 0 } } });
    expect(() => gatekeeper.resources()).toThrow("no sampler has told");
  });

  it("wait up to two ticks for their usage", () => {
    const start = clock.now();
    const events = follow();
    pass(50);
    gatekeeper.sampled([sample(start, start + 50, 1)]);
    pass(200);
    expect(ticksOf(events)).toEqual([]);
    gatekeeper.sampled([sample(start + 50, start + 150, 1)]);
    expect(ticksOf(events)).toMatchObject([{ tick: 0, usage: { cpu: 1.5 } }]);
    pass(140);
    expect(ticksOf(events)).toHaveLength(1);
    pass(10);
    expect(ticksOf(events)).toHaveLength(2);
  });

  it("take no samples from the future", () => {
    expect(gatekeeper.sampled([sample(clock.now(), clock.now() + 2_000, 1)])).toContain("in the future");
    expect(gatekeeper.sampled([sample(clock.now(), clock.now() + 500, 1)])).toBeUndefined();
  });
});

describe("the stream", () => {
  it("leaves out no tick, and never tells a thing twice", async () => {
    const events = follow();
    for (let round = 0; round < 40; round++) {
      report([queued(`p-${2 * round}`, 2_000), begun(`p-${2 * round + 1}`)]);
      if (round % 3 === 0) await gatekeeper.place(1, [{ id: `p-${2 * round}`, tick: round + 6 }]);
      pass(90);
      report([ended(`p-${2 * round + 1}`, 90), begun(`p-${2 * round}`), ended(`p-${2 * round}`, 0)]);
    }
    pass(3_000);
    const ticks = ticksOf(events);
    expect(ticks.map(({ tick }) => tick)).toEqual(ticks.map((_, index) => index));
    const executed = ticks.flatMap((event) => event.executed.map(({ id }) => id));
    expect(new Set(executed).size).toBe(executed.length);
    expect(executed).toHaveLength(80);
    for (const event of ticks) {
      for (const { id, arrivedTick } of event.executed) {
        const arrival = ticks.findIndex(({ arrived }) => arrived.some((one) => one.id === id));
        if (arrival >= 0) expect([id, arrival < event.tick, arrivedTick < event.tick]).toEqual([id, true, true]);
        else expect([id, arrivedTick]).toEqual([id, event.tick]);
      }
    }
  });
});

function plainOutbox() {
  return { read: () => [], unsettled: () => [], recordedAndHeld: () => [], lastPosition: 0 };
}
