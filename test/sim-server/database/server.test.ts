import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readLedger } from "../../../platform/ledger-file.ts";
import { type Log, silentLog } from "../../../platform/log.ts";
import { RoomWatch } from "../../../platform/outbox-room.ts";
import type { NewRow } from "../../../platform/outbox-row.ts";
import { OutboxFull } from "../../../platform/outbox-sqlite.ts";
import { HostUnavailable } from "../../../platform/server-api.ts";
import { outboxRow, type StreamEvent, serverInfo, streamEvent } from "../../../platform/wire.ts";
import { Engine } from "../../../sim-server/database/engine.ts";
import { Ledger } from "../../../sim-server/database/ledger.ts";
import { parseParameters } from "../../../sim-server/database/parameters.ts";
import { DatabaseServer } from "../../../sim-server/database/server.ts";
import { FakeClock } from "../../support/clock.ts";
import { openTestOutbox } from "../../support/outbox.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

class Setup {
  readonly #directory = temporaryDirectory();
  readonly clock = new FakeClock();
  readonly ledgerFile = join(this.#directory.path, "ledger.log");
  readonly rows: NewRow[] = [];
  /** What the outbox says to an append; undefined: it takes it. */
  refusal: Error | undefined;
  readonly logged: string[] = [];
  readonly server: DatabaseServer;
  readonly engine: Engine;
  readonly #ledger = new Ledger(this.ledgerFile, "epoch", "s");
  readonly #outbox = openTestOutbox(this.#directory.path, { clock: this.clock });

  constructor(parameters: object = {}) {
    this.engine = new Engine(parseParameters(parameters, "test"));
    const log: Log = { ...silentLog, error: (message) => this.logged.push(message) };
    this.server = new DatabaseServer({
      serverId: "s",
      epoch: "epoch",
      engine: this.engine,
      clock: this.clock,
      log,
      ledger: this.#ledger,
      outbox: {
        append: (rows) => {
          if (this.refusal) throw this.refusal;
          this.rows.push(...rows);
          return this.#outbox.append(rows);
        },
      },
      outboxInfo: () => ({ ...this.#outbox.state(), lastSentAt: null, trouble: null }),
    });
  }

  [Symbol.dispose](): void {
    this.#ledger.close();
    this.#outbox.close();
    this.#directory[Symbol.dispose]();
  }
}

/** Runs the server while `work` moves the clock. */
async function running(setup: Setup, work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const done = setup.server.run(stop.signal);
  await work();
  stop.abort();
  await done;
}

describe("ticking", () => {
  it("keeps to its grid, however late each tick wakes", async () => {
    using setup = new Setup();
    await running(setup, async () => {
      for (let step = 0; step < 100; step++) {
        setup.clock.stall(step % 7);
        await setup.clock.advance(97);
      }
    });
    // 97 ms a step and 295 ms of lateness: 9,995 ms. Tick 0 came after 100 ms; a timer that counted from each
    // awakening would have lost the lateness of every tick.
    expect(setup.engine.tick).toBe(98);
  });

  it("makes up for a stall tick by tick, each with its own time", async () => {
    using setup = new Setup({ arrivals: { mean: 0.2 } });
    const start = setup.clock.now();
    const ticks: number[] = [];
    setup.server.subscribe((event) => event.type === "tick" && ticks.push(event.at - start));
    await running(setup, async () => {
      await setup.clock.advance(100);
      setup.clock.stall(450);
      await setup.clock.advance(10);
    });
    expect(ticks).toEqual([100, 200, 300, 400, 500]);
    const times = setup.rows.flatMap((row) => (row.type === "execution" ? [row.executedAt - start] : []));
    expect([...new Set(times)]).toEqual([200, 300, 400, 500]);
  });

  it("writes before it tells: outbox first, then ledger, then the stream", async () => {
    using setup = new Setup({ arrivals: { mean: 0.2 } });
    const events: StreamEvent[] = [];
    setup.server.subscribe((event) => {
      if (event.type !== "tick") return;
      expect(setup.rows.filter((row) => row.type === "execution" && row.tick === event.tick)).toHaveLength(
        event.executed.length,
      );
      events.push(streamEvent.parse(event));
    });
    for (let tick = 0; tick < 100; tick++) expect(setup.server.runTick()).toBe(true);
    for (const [index, row] of setup.rows.entries()) outboxRow.parse({ ...row, sequence: index + 1 });
    const told = events.flatMap((event) => (event.type === "tick" ? event.executed.map(({ id }) => id) : []));
    const ledger = await Array.fromAsync(readLedger(setup.ledgerFile));
    expect(ledger.map(({ executionId }) => executionId)).toEqual(told);
    expect(told.length).toBeGreaterThan(1_000);
    const windows = setup.rows.filter((row) => row.type === "window");
    expect(windows).toHaveLength(10);
    const rows = setup.rows.flatMap((row) => (row.type === "execution" ? [[row.executionId, row.tick]] : []));
    expect(ledger.map(({ executionId, tick }) => [executionId, tick])).toEqual(rows);
    // Sequence numbers count windows, too.
    expect(ledger.at(-1)?.sequence).toBeLessThanOrEqual(setup.rows.length);
    expect(new Set(ledger.map(({ sequence }) => sequence)).size).toBe(ledger.length);
    expect(serverInfo.parse(setup.server.info()).counted).toEqual({ executions: told.length, windows: 10, gaps: 0 });
  });

  it("stands still while the outbox is full, says so, and goes on without a leap and without a loss", async () => {
    using setup = new Setup({ arrivals: { mean: 0.2 } });
    await running(setup, async () => {
      await setup.clock.advance(1_000);
      const executed = setup.server.info().counted.executions;
      setup.refusal = new OutboxFull("outbox.sqlite is full");
      await setup.clock.advance(60_000);
      expect(setup.server.info().outbox.trouble).toBe("standing still: outbox.sqlite is full");
      expect(setup.logged).toEqual(["standing still: outbox.sqlite is full"]);
      expect(setup.server.info().counted.executions).toBe(executed);
      expect(setup.engine.tick).toBe(10);
      expect(() => setup.server.queue()).toThrow("standing still: outbox.sqlite is full");
      await expect(setup.server.delay("x", 1)).rejects.toThrow(HostUnavailable);
      await expect(setup.server.place(1, [{ id: "x", tick: 1 }])).rejects.toThrow(HostUnavailable);
      expect(() => setup.server.subscribe(() => {})).toThrow(HostUnavailable);
      setup.refusal = undefined;
      await setup.clock.advance(2_000);
      expect(setup.server.info().outbox.trouble).toBeNull();
      expect(setup.engine.tick).toBeGreaterThan(15);
      expect(setup.engine.tick).toBeLessThanOrEqual(31);
    });
    const ticks = setup.rows.flatMap((row) => (row.type === "execution" ? [row.tick] : []));
    expect([...new Set(ticks)]).toEqual(Array.from({ length: setup.engine.tick }, (_, index) => index + 1));
  });
});

describe("an outbox that fills up", () => {
  /** Nothing is recorded for 600 ticks. `slows`: whether the server takes in less as room gets short. */
  function fill({ slows }: { slows: boolean }) {
    using place = temporaryDirectory();
    const clock = new FakeClock();
    const outbox = openTestOutbox(place.path, { clock, diskBoundBytes: 400_000 });
    const room = new RoomWatch(outbox, clock, "native");
    const ledger = new Ledger(join(place.path, "ledger.log"), "epoch", "s");
    const engine = new Engine(
      parseParameters({ queries: 5, arrivals: { law: "constant", mean: 0.4, season: { amplitude: 0 } } }, "test"),
    );
    const intake = slows ? () => room.intake() : undefined;
    const server = new DatabaseServer({
      serverId: "s",
      epoch: "epoch",
      engine,
      clock,
      log: silentLog,
      ledger,
      outbox,
      intake,
    });
    const arrived: number[] = [];
    server.subscribe((event) => event.type === "tick" && arrived.push(event.arrived.length));
    let stood = false;
    while (!stood && arrived.length < 600) {
      clock.stall(100);
      stood = !server.runTick();
    }
    const warning = room.warning();
    ledger.close();
    outbox.close();
    const mean = (of: readonly number[]) => of.reduce((sum, count) => sum + count, 0) / of.length;
    return { stood, warning, first: mean(arrived.slice(0, 100)), last: mean(arrived.slice(-100)) };
  }

  it("lets less and less new work in, and says so, and the server does not stand still", () => {
    const { stood, warning, first, last } = fill({ slows: true });
    expect(stood).toBe(false);
    expect(last).toBeLessThan(first / 2);
    expect(warning).toMatch(
      /% full of rows that wait .* the server takes in \d+% of the new work only, when it is full/,
    );
  });

  it("would stop it dead without that", () => {
    const { stood, first, last } = fill({ slows: false });
    expect(stood).toBe(true);
    expect(last).toBeGreaterThan(0.8 * first);
  });
});

describe("a metrics window that is too large to be recorded", () => {
  it("leaves a gap, which counts, beside its executions", () => {
    using setup = new Setup({
      queries: 8_000,
      arrivals: { law: "constant", mean: 1, season: { amplitude: 0, level: 0.5 } },
    });
    for (let tick = 0; tick < 10; tick++) setup.server.runTick();
    const gaps = setup.rows.filter((row) => row.type === "gap");
    expect(gaps).toEqual([
      {
        type: "gap",
        epoch: "epoch",
        from: expect.any(Number),
        to: expect.any(Number),
        reason: expect.stringMatching(/^a metrics window of \d+ bytes is too large/),
      },
    ]);
    expect(setup.rows.some((row) => row.type === "window")).toBe(false);
    expect(setup.server.info().counted).toMatchObject({ windows: 1, gaps: 1 });
  });
});

describe("a scheduler's hand", () => {
  it("is refused once a higher fence was seen", async () => {
    using setup = new Setup({ arrivals: { mean: 1 } });
    setup.server.runTick();
    const id = setup.engine.queued()[0]?.id ?? "";
    expect(
      await setup.server.place(2, [
        { id, tick: 7 },
        { id: "nobody", tick: 7 },
      ]),
    ).toEqual({
      tick: 0,
      results: [
        { id, outcome: "placed", tick: 7 },
        { id: "nobody", outcome: "gone" },
      ],
    });
    expect(await setup.server.place(1, [{ id, tick: 9 }])).toBeUndefined();
    expect(setup.engine.queued()[0]?.tick).toBe(7);
    expect(await setup.server.place(2, [{ id, tick: Number.MAX_SAFE_INTEGER }])).toMatchObject({
      results: [{ outcome: "placed", tick: 36_000 }],
    });
  });

  it("cannot delay by more than the bound", async () => {
    using setup = new Setup({ arrivals: { mean: 1 } });
    setup.server.runTick();
    const id = setup.engine.queued()[0]?.id ?? "";
    expect(await setup.server.delay(id, 36_001)).toEqual({ outcome: "refused", reason: "delay: at most 36000 ticks" });
    expect(await setup.server.delay(id, 36_000)).toEqual({ outcome: "delayed" });
    expect(await setup.server.delay("nobody", 1)).toEqual({ outcome: "unknown" });
  });
});

describe("timestamps", () => {
  it("say when an execution will run; a plain server's are off by the ticks taken for milliseconds", () => {
    using stamped = new Setup({ arrivals: { mean: 1 }, defaultDelayTicks: 5 });
    stamped.server.runTick();
    expect(stamped.server.queue()[0]?.execution).toMatchObject({
      timestamp: stamped.clock.now() + 500,
      tick: 5,
      arrivedTick: 0,
    });
    using plain = new Setup({ arrivals: { mean: 1 }, defaultDelayTicks: 5, stamped: false });
    plain.server.runTick();
    const execution = plain.server.queue()[0]?.execution;
    expect(execution).toEqual({ id: expect.any(String), timestamp: plain.clock.now() + 5 });
  });
});
