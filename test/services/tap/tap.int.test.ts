/** The tap as a process before a server that has only the three calls, with a scheduler behind it. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../platform/clock.ts";
import { silentLog } from "../../../platform/log.ts";
import { openOutbox } from "../../../platform/outbox.ts";
import { createServerClient } from "../../../platform/server-client.ts";
import { type ExecutionRow, type GapRow, outboxRow, type WindowRow } from "../../../platform/wire.ts";
import { loadParameters } from "../../../sim-server/database/parameters.ts";
import { end } from "../../support/child.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { heldRows } from "../../support/outbox.ts";
import { listeningUrl, startScheduler, writeTrueCosts } from "../../support/scheduler.ts";
import { SimDatabase } from "../../support/sim-database.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const ending of endings.splice(0).reverse()) await ending();
}, 20_000);

async function setup() {
  const environment = sharedCloud();
  const directory = temporaryDirectory();
  endings.push(async () => directory[Symbol.dispose]());
  const serverId = `tapped-${randomUUID().slice(0, 8)}`;
  const parameters = { ...loadParameters("five"), stamped: false, windowJitterTicks: 1 };
  const database = await SimDatabase.start({ serverId, directory: directory.path, parameters });
  endings.push(() => database.stop());
  const startTap = async () => {
    const env = {
      ...process.env,
      ...environment,
      EVENKEEL_SERVER_URL: database.url,
      EVENKEEL_SERVER_ID: serverId,
      EVENKEEL_DATA_DIR: join(directory.path, "tap"),
      PORT: "0",
    };
    const child = spawn(process.execPath, ["services/tap/main.ts"], {
      env,
      stdio: ["ignore", "pipe", process.env.EVENKEEL_TEST_OUTPUT ? "inherit" : "ignore"],
    });
    endings.push(() => end(child, "SIGKILL"));
    return { child, url: await listeningUrl(child) };
  };
  /** What the tap has on disk. The tap must have ended. */
  const rows = () => {
    const file = join(directory.path, "tap", "outbox.sqlite");
    const outbox = openOutbox({ file, serverId, diskBoundBytes: 1e9, clock: systemClock, log: silentLog });
    const all = heldRows(outbox).map((row) => outboxRow.parse({ ...JSON.parse(row.body), sequence: row.position }));
    outbox.close();
    return {
      executions: all.filter((row): row is ExecutionRow => row.type === "execution"),
      windows: all.filter((row): row is WindowRow => row.type === "window"),
      gaps: all.filter((row): row is GapRow => row.type === "gap"),
    };
  };
  return { environment, serverId, database, startTap, rows };
}

/** Executions that ran in `from..to` (ticks of the server), minus those that `seen` holds. */
function missing(database: SimDatabase, seen: ReadonlySet<string>, from: number, to: number): string[] {
  return Array.from(database.fates)
    .filter(([id, { ranInTick = -1 }]) => ranInTick >= from && ranInTick <= to && !seen.has(id))
    .map(([id]) => id);
}

/** Of these executions, those that ran when the tap was, by its own word, looking. */
function untold(database: SimDatabase, ids: readonly string[], gaps: readonly GapRow[]): string[] {
  return ids.filter((id) => {
    const at = database.tickedAt[database.fates.get(id)?.ranInTick ?? 0] ?? 0;
    return !gaps.some(({ from, to }) => from - 150 <= at && at <= to + 150);
  });
}

/** Share of windows whose metrics are what their executions really cost, by the database's own truth. */
function consistentShare(windows: readonly WindowRow[], database: SimDatabase): number {
  const truth = database.engine.truth();
  const consistent = windows.filter(({ ticks, queries, metrics }) => {
    const usages = ticks.map((ran) => ran.reduce((sum, index) => sum + (truth.get(queries[index] ?? "")?.[0] ?? 0), 0));
    const { average, min, max } = metrics.cpu;
    const mean = Math.floor(usages.reduce((sum, usage) => sum + usage, 0) / usages.length);
    return mean === average && Math.min(...usages) === min && Math.max(...usages) === max;
  });
  return consistent.length / windows.length;
}

describe("the tap", () => {
  it("captures every execution once, while a scheduler postpones them through it", async () => {
    const { environment, serverId, database, startTap, rows } = await setup();
    await writeTrueCosts(environment, serverId, database.engine);
    const tap = await startTap();
    await sleep(1_000);
    const from = database.engine.tick + 2;
    const scheduler = await startScheduler(environment, { EVENKEEL_SERVER_URL: tap.url });
    endings.push(() => end(scheduler.child, "SIGKILL"));
    const status = await eventually(scheduler.status, (answer) => (answer?.placements ?? 0) > 200, 20_000);
    expect(status).toMatchObject({ api: "delay", mode: "steering" });
    await sleep(10_000);
    const late = (await scheduler.status())?.lateShare;
    const to = database.engine.tick - 3;
    await end(scheduler.child, "SIGTERM");
    await end(tap.child, "SIGTERM");
    const { executions, windows, gaps } = rows();
    const seen = new Set(executions.map(({ executionId }) => executionId));
    console.info({
      executions: executions.length,
      windows: windows.length,
      consistentWindows: consistentShare(windows, database),
      gaps: gaps.length,
      postponed: database.delays.size,
      late,
    });
    expect(seen.size).toBe(executions.length);
    expect([...seen].filter((id) => database.fates.get(id)?.ranInTick === undefined)).toEqual([]);
    expect(untold(database, missing(database, seen, from, to), gaps)).toEqual([]);
    expect(to - from).toBeGreaterThan(100);
    expect(database.delays.size).toBeGreaterThan(50);
    expect(windows.length).toBeGreaterThan(3);
  }, 60_000);

  it("is what one-second polling is not", async () => {
    const { database } = await setup();
    const client = createServerClient({ url: database.url, clock: systemClock, random: Math.random });
    const seen = new Set<string>();
    for (let poll = 0; poll < 6; poll++) {
      await sleep(1_000);
      for (const { execution } of await client.queued()) seen.add(execution.id);
    }
    expect(missing(database, seen, 0, 50).length / database.fates.size).toBeGreaterThan(0.5);
  }, 20_000);

  it("tells after a kill what it may have missed, and records nothing twice", async () => {
    const { database, startTap, rows } = await setup();
    const first = await startTap();
    // Before its first look at the server it cannot have seen anything.
    await eventually(
      () => fetch(`${first.url}/server`),
      (answer) => answer?.ok === true,
    );
    const from = database.engine.tick + 2;
    await sleep(3_000);
    await end(first.child, "SIGKILL");
    await sleep(1_000);
    const second = await startTap();
    await sleep(3_000);
    const to = database.engine.tick - 3;
    await end(second.child, "SIGTERM");
    const { executions, gaps } = rows();
    expect(new Set(executions.map(({ executionId }) => executionId)).size).toBe(executions.length);
    const told = gaps.find(({ reason }) => reason === "the tap was not running");
    expect(told && told.to - told.from).toBeGreaterThan(1_000);
    const seen = new Set(executions.map(({ executionId }) => executionId));
    const lost = missing(database, seen, from, to);
    expect(lost.length).toBeGreaterThan(0);
    expect(untold(database, lost, gaps)).toEqual([]);
    expect(untold(database, lost, [])).toEqual(lost);
  }, 30_000);
});
