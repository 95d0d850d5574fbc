import { afterEach, describe, expect, it } from "@jest/globals";
import { TapInference } from "../../../core/workload/tap-inference.ts";
import { silentLog } from "../../../platform/log.ts";
import type { NewRow } from "../../../platform/outbox-row.ts";
import { HostUnavailable } from "../../../platform/server-api.ts";
import { ServerUnreachable } from "../../../platform/server-errors.ts";
import type { StreamEvent } from "../../../platform/wire.ts";
import { Tap } from "../../../services/tap/tap.ts";
import { Engine } from "../../../sim-server/database/engine.ts";
import { parseParameters } from "../../../sim-server/database/parameters.ts";
import { FakeClock } from "../../support/clock.ts";
import { idleOutbox } from "../../support/server-info.ts";

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A plain server in the fake clock's time, and a tap that polls it. */
function setup(options: { lastSeenAt?: number } = {}) {
  const clock = new FakeClock();
  const world = { engine: new Engine(parseParameters({ arrivals: { mean: 0.02 } }, "test")), away: false };
  /** What the next calls of delay do: nothing and say so, nothing or all without an answer. */
  const delays: ("refused" | "lost request" | "lost answer")[] = [];
  const asked: string[] = [];
  let metrics = {
    cpu: { average: 0, min: 0, max: 0 },
    io: { average: 0, min: 0, max: 0 },
    memory: { average: 0, min: 0, max: 0 },
  };
  let refreshedAt = 0;
  const ran = new Map<string, number>();
  const step = () => {
    const { tick, executed, window } = world.engine.step();
    for (const { id } of executed) ran.set(id, tick);
    if (window) {
      metrics = window;
      refreshedAt = clock.now();
    }
  };
  const answer = async <Value>(value: () => Value): Promise<Value> => {
    await clock.sleep(1);
    if (world.away) throw new ServerUnreachable("away", "no", undefined);
    const result = value();
    await clock.sleep(1);
    return result;
  };
  const disk = { full: false, rows: [] as NewRow[] };
  const seenAt: number[] = [];
  const inference = new TapInference({ tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 });
  let draws = 0;
  const tap = new Tap({
    serverId: "s",
    epoch: "tap-1",
    clockwork: { tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 },
    inference,
    client: {
      queued: () =>
        answer(() =>
          world.engine.queued().map(({ id, queryId }) => ({ query: { id: queryId }, execution: { id, timestamp: 0 } })),
        ),
      resources: () => answer(() => ({ ...metrics, timestamp: refreshedAt })),
      delay: (id, ticks) =>
        answer(() => {
          asked.push(`${id}+${ticks}`);
          const fault = delays.shift();
          if (fault === "lost request") throw new ServerUnreachable("no answer", "unknown", undefined);
          const known = world.engine.delay(id, ticks);
          if (fault === "lost answer") throw new ServerUnreachable("no answer", "unknown", undefined);
          return known ? "delayed" : "gone";
        }),
    },
    outbox: {
      append(rows) {
        if (disk.full) throw new Error("the disk is full");
        disk.rows.push(...rows);
        return { incarnation: "i", first: 1, last: rows.length, gaps: 0 };
      },
    },
    outboxInfo: () => idleOutbox,
    lastSeenAt: options.lastSeenAt,
    onSeen: (at) => seenAt.push(at),
    clock,
    random: () => (draws++ * 0.618) % 1,
    log: silentLog,
  });
  const stop = new AbortController();
  stops.push(stop);
  void (async () => {
    for (; !stop.signal.aborted; step()) await clock.sleep(100, stop.signal);
  })();
  void tap.run(stop.signal);
  const events: StreamEvent[] = [];
  /** Moves time on in small steps: a request is two of them. */
  const pass = async (ms: number) => {
    for (let at = 0; at < ms; at += 5) await clock.advance(5);
  };
  /** Lets time pass until `call` is answered. */
  const during = async <Value>(call: Promise<Value>): Promise<Value> => {
    let done = false;
    const settled = call.finally(() => {
      done = true;
    });
    settled.catch(() => {});
    for (let ms = 0; !done && ms < 2_000; ms++) await clock.advance(1);
    return settled;
  };
  /** An execution that the tap has just seen arrive. */
  const arrival = async () => {
    for (;;) {
      const before = new Set(inference.waiting().map(({ id }) => id));
      await pass(5);
      const fresh = inference.waiting().find(({ id }) => !before.has(id));
      if (fresh) return fresh;
    }
  };
  const rowsOf = (type: NewRow["type"]) => disk.rows.filter((row) => row.type === type);
  return { clock, world, tap, delays, asked, ran, disk, seenAt, events, pass, during, arrival, rowsOf, inference };
}

describe("the tap", () => {
  it("records what ran and tells it as ticks and windows", async () => {
    const { tap, ran, pass, rowsOf } = setup();
    await pass(300);
    const events: StreamEvent[] = [];
    tap.subscribe((event) => events.push(event));
    await pass(8_000);
    const ids = rowsOf("execution").map((row) => (row.type === "execution" ? row.executionId : ""));
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(ran.size - 10);
    expect(rowsOf("window").length).toBeGreaterThanOrEqual(4);
    expect(events[0]).toMatchObject({ type: "hello", serverId: "s", epoch: "tap-1" });
    const ticks = events.flatMap((event) => (event.type === "tick" ? [event.tick] : []));
    expect(ticks).toEqual(ticks.map((_, index) => (ticks[0] ?? 0) + index));
    expect(events.some((event) => event.type === "tick" && event.window?.bounds === "inferred")).toBe(true);
    expect(tap.info()).toMatchObject({ kind: "tap", counted: { executions: ids.length, gaps: 0 } });
  });

  it("postpones to the tick that was asked for, and never pulls forward", async () => {
    const { tap, asked, ran, world, pass, during, arrival } = setup();
    await pass(1_000);
    const { id, tick } = await arrival();
    const placed = await during(tap.place(1, [{ id, tick: tick + 5 }]));
    expect(placed?.results).toEqual([{ id, outcome: "placed", tick: tick + 5 }]);
    const back = await during(tap.place(1, [{ id, tick }]));
    expect(back?.results).toEqual([{ id, outcome: "placed", tick: tick + 5 }]);
    expect(asked).toEqual([`${id}+5`]);
    const due = world.engine.queued().find((entry) => entry.id === id)?.tick;
    await pass(1_000);
    expect(ran.get(id)).toBe(due);
  });

  it.each(["lost request", "lost answer"] as const)("never delays again before a %s is resolved", async (fault) => {
    const { tap, delays, asked, ran, world, pass, during, arrival } = setup();
    await pass(1_000);
    const { id, tick } = await arrival();
    const dueBefore = world.engine.queued().find((entry) => entry.id === id)?.tick ?? 0;
    delays.push(fault);
    await during(tap.place(1, [{ id, tick: tick + 4 }]));
    await during(tap.place(1, [{ id, tick: tick + 4 }]));
    await during(tap.place(1, [{ id, tick: tick + 9 }]));
    expect(asked).toEqual([`${id}+4`]);
    await pass(150);
    // Its first tick has passed: still there means that the delay counted, and its tick is known again.
    const later = await during(tap.place(1, [{ id, tick: tick + 9 }]));
    if (fault === "lost request") {
      expect(ran.get(id)).toBe(dueBefore);
      expect(later?.results).toEqual([{ id, outcome: "gone" }]);
    } else {
      expect(later?.results).toEqual([{ id, outcome: "placed", tick: tick + 9 }]);
      expect(asked).toEqual([`${id}+4`, `${id}+5`]);
      await pass(1_500);
      expect(ran.get(id)).toBe(dueBefore + 9);
    }
  });

  it("refuses a stale fence", async () => {
    const { tap, pass, during } = setup();
    await pass(300);
    expect(await during(tap.place(7, [{ id: "x", tick: 1 }]))).toMatchObject({ results: [{ outcome: "gone" }] });
    expect(await during(tap.place(6, [{ id: "x", tick: 1 }]))).toBeUndefined();
  });

  it("is unavailable while the server is, tells the gap afterwards, and begins anew with a restarted server", async () => {
    const { tap, world, pass, rowsOf, during, arrival } = setup();
    await pass(1_000);
    const events: StreamEvent[] = [];
    tap.subscribe((event) => events.push(event));
    const { id, tick } = await arrival();
    await during(tap.place(1, [{ id, tick: tick + 100 }]));
    world.away = true;
    await pass(500);
    expect(() => tap.queue()).toThrow(HostUnavailable);
    expect(tap.info().outbox.trouble).toBe("away");
    world.engine = new Engine(world.engine.parameters, { runSeed: 2 });
    world.away = false;
    await pass(1_500);
    const [gap] = rowsOf("gap");
    expect(gap).toMatchObject({ type: "gap", reason: expect.stringContaining("vanished before they were due") });
    expect(gap?.type === "gap" && gap.to - gap.from).toBeGreaterThanOrEqual(500);
    expect(rowsOf("execution").some((row) => row.type === "execution" && row.executionId === id)).toBe(false);
    const again = events.findLast((event) => event.type === "hello");
    expect(again?.type === "hello" && again.queue.some((waiting) => waiting.id === id)).toBe(false);
    expect(events.filter((event) => event.type === "hello")).toHaveLength(2);
  });

  it("tells nothing that is not on disk, stands still while the disk is full, and then tells the gap", async () => {
    const { tap, disk, pass, rowsOf } = setup();
    await pass(1_000);
    const events: StreamEvent[] = [];
    tap.subscribe((event) => events.push(event));
    disk.full = true;
    await pass(200);
    const told = events.length;
    await pass(1_000);
    expect(events.length).toBe(told);
    expect(tap.info().outbox.trouble).toBe("standing still: the disk is full");
    expect(() => tap.subscribe(() => {})).toThrow(HostUnavailable);
    disk.full = false;
    await pass(2_000);
    expect(rowsOf("gap").length).toBeGreaterThan(0);
    expect(events.length).toBeGreaterThan(told);
    expect(tap.info().outbox.trouble).toBeNull();
  });

  it("reports the time in which no tap was running", async () => {
    const { clock, pass, rowsOf } = setup({ lastSeenAt: Date.UTC(2026, 10, 21, 8, 59) });
    await pass(300);
    const [gap] = rowsOf("gap");
    expect(gap).toMatchObject({ from: Date.UTC(2026, 10, 21, 8, 59), reason: "the tap was not running" });
    expect(gap?.type === "gap" && gap.to).toBeLessThanOrEqual(clock.now());
  });
});
