/** The scheduler as a process, against the simulated database over HTTP and real tables. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { createDocument, createEventBridge } from "../../../platform/aws.ts";
import { readState, writeState } from "../../../platform/tables/scheduler-state.ts";
import { createSchedulerStore } from "../../../services/scheduler/store.ts";
import { loadParameters } from "../../../sim-server/database/parameters.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { type SchedulerProcess, startScheduler, writeTrueCosts } from "../../support/scheduler.ts";
import { SimDatabase } from "../../support/sim-database.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
}, 20_000);

/** A database of scenario `five` (about 75 executions/s) whose costs are known. */
async function setup() {
  const environment = sharedCloud();
  const directory = temporaryDirectory();
  endings.push(async () => directory[Symbol.dispose]());
  const serverId = `scheduled-${randomUUID().slice(0, 8)}`;
  const startDatabase = async (runSeed: number, port = 0) => {
    const parameters = loadParameters("five");
    const database = await SimDatabase.start({ serverId, directory: directory.path, parameters, runSeed, port });
    let stopped = false;
    const stop = async () => {
      if (!stopped) await database.stop();
      stopped = true;
    };
    endings.push(stop);
    return { database, stop };
  };
  const { database, stop } = await startDatabase(1);
  await writeTrueCosts(environment, serverId, database.engine);
  const start = async (slot: string, settings: Record<string, string> = {}) => {
    const scheduler = await startScheduler(environment, {
      EVENKEEL_SERVER_URL: database.url,
      EVENKEEL_SLOT: slot,
      ...settings,
    });
    endings.push(async () => {
      if (scheduler.child.exitCode === null && scheduler.child.signalCode === null) await scheduler.end("SIGKILL");
    });
    return scheduler;
  };
  return { environment, serverId, database, stop, startDatabase, start };
}

const steering = (scheduler: SchedulerProcess) =>
  eventually(scheduler.status, (status) => status?.mode === "steering" && status.placements > 50, 20_000);

/** Waits until placements with a fence above `fence` are accepted; ms since `since`. */
async function placedAgain(database: SimDatabase, fence: number, since: number): Promise<number> {
  while ((database.fences.at(-1) ?? 0) <= fence && performance.now() - since < 20_000) await sleep(10);
  return performance.now() - since;
}

const lastFence = (database: SimDatabase) => database.fences.at(-1) ?? 0;

/** What waited longest, in ticks, what still waits counted with its age. */
const longestWait = ({ fates, engine }: SimDatabase) =>
  Math.max(...Array.from(fates.values(), ({ arrivedTick, ranInTick }) => (ranInTick ?? engine.tick) - arrivedTick));

const ascending = (values: readonly number[]) => values.every((value, index) => value >= (values[index - 1] ?? 0));

describe("the scheduler", () => {
  it("resumes within 2 s of a kill in mid-plan, without a burst, and never with an older fence", async () => {
    const { database, start } = await setup();
    let scheduler = await start("a");
    await steering(scheduler);
    const seconds: number[] = [];
    const bursts: number[] = [];
    for (let kill = 0; kill < 3; kill++) {
      await sleep(2_000);
      const fence = lastFence(database);
      const killedAt = performance.now();
      await scheduler.end("SIGKILL");
      // What was on its way when it died.
      await sleep(20);
      bursts.push(database.worstTickToCome());
      scheduler = await start("a");
      seconds.push((await placedAgain(database, fence, killedAt)) / 1_000);
    }
    await sleep(2_000);
    console.info({
      resumedAfterSeconds: seconds,
      worstTicksToCome: bursts,
      longestWait: longestWait(database),
      most: Math.max(...database.ranPerTick),
    });
    // The best of three, as tests share their machine; `bench pace --restarts` measures each.
    expect(Math.min(...seconds)).toBeLessThan(2);
    expect(ascending(database.fences)).toBe(true);
    // Fail smooth: what it left behind adds at most one and a half mean ticks to any tick.
    expect(Math.max(...bursts)).toBeLessThanOrEqual(1.5);
    expect(Math.max(...bursts)).toBeGreaterThan(0);
    for (const { id } of database.engine.queued()) database.engine.place(id, database.engine.tick + 3);
    expect(database.worstTickToCome()).toBeGreaterThan(1.5);
    // About 7.5 arrive in a tick, and of such ticks one in a thousand has 17 or more; a kill may add 1.5 means.
    expect(Math.max(...database.ranPerTick)).toBeLessThanOrEqual(17 + 11);
    // Three times the budget of 6 s at the most.
    expect(longestWait(database)).toBeLessThanOrEqual(180);
  }, 60_000);

  it("leaves to another name after the lease expired, and does nothing more when it wakes up again", async () => {
    const { database, start } = await setup();
    const first = await start("a");
    await steering(first);
    const second = await start("b");
    const waiting = await eventually(second.status, (status) => (status?.trouble.length ?? 0) > 0);
    expect(waiting).toMatchObject({ mode: "waiting", trouble: ["a holds the lease"], lease: { token: 0 } });
    first.child.kill("SIGSTOP");
    const stoppedAt = performance.now();
    const fence = lastFence(database);
    const took = await placedAgain(database, fence, stoppedAt);
    console.info({ takenOverAfterSeconds: took / 1_000 });
    // The lease lasts 4 s from its last renewal, which was at most 1.4 s before.
    expect(took).toBeGreaterThan(2_500);
    expect(took).toBeLessThan(4_000 + 5_000);
    first.child.kill("SIGCONT");
    const before = database.fences.length;
    await sleep(3_000);
    expect(new Set(database.fences.slice(before))).toEqual(new Set([lastFence(database)]));
    expect(lastFence(database)).toBeGreaterThan(fence);
    const woken = await first.status();
    expect(woken).toMatchObject({ mode: "waiting", lease: { remainingMs: 0 } });
    expect(woken?.trouble).toContain("b holds the lease");

    // And if it did act: the server knows the higher fence.
    const client = database.client();
    await expect(client.place(fence, [{ id: "any", tick: 1 }])).rejects.toThrow("higher fence");
  }, 60_000);

  it("gets over a server that is slow, refuses, goes away and comes back as a new epoch", async () => {
    const { database, stop, startDatabase, start } = await setup();
    const scheduler = await start("a");
    await steering(scheduler);
    database.placeTakesMs = 1_500;
    const slow = await eventually(scheduler.status, (status) => (status?.trouble.length ?? 0) > 0);
    expect(slow?.trouble).toEqual([expect.stringMatching(/place: no answer within 1000 ms/)]);
    database.placeTakesMs = 0;
    const well = await eventually(scheduler.status, (status) => status?.trouble.length === 0, 5_000);
    expect(well?.trouble).toEqual([]);

    await stop();
    await sleep(1_000);
    const away = await scheduler.status();
    expect(away).toMatchObject({ mode: "waiting", tick: null });
    expect(away?.trouble[0]).toMatch(/stream: .*(ECONNREFUSED|ended|terminated)/);
    const { database: next } = await startDatabase(2, database.port);
    const backAt = performance.now();
    const took = await placedAgain(next, 0, backAt);
    console.info({ steersRestartedServerAfterSeconds: took / 1_000 });
    expect(took).toBeLessThan(2_000);
    expect(await scheduler.status()).toMatchObject({ epoch: next.epoch, mode: "steering" });
  }, 60_000);

  it("stops at once when told, saves its plan and leaves the lease to anyone", async () => {
    const { environment, serverId, database, start } = await setup();
    const first = await start("a");
    await steering(first);
    const stoppedAt = performance.now();
    expect(await first.end("SIGTERM")).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(2_000);
    const fence = lastFence(database);
    const document = createDocument(environment);
    const plan = await readState(document, environment.EVENKEEL_SCHEDULER_TABLE, serverId, "plan");
    document.destroy();
    expect(plan).toMatchObject({ fence, value: { format: 1, steering: expect.anything() } });
    const startedAt = performance.now();
    await start("b");
    expect(await placedAgain(database, fence, startedAt)).toBeLessThan(2_500);
  }, 60_000);

  it("stops within 2 s also when the tables do not answer", async () => {
    const { start } = await setup();
    const silent = createServer(() => {});
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    endings.push(async () => void silent.close());
    const address = silent.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const scheduler = await start("a", { AWS_ENDPOINT_URL: `http://localhost:${port}` });
    const stuck = await eventually(scheduler.status, (status) => (status?.trouble.length ?? 0) > 0);
    expect(stuck?.trouble[0]).toMatch(/^the lease cannot be read or written/);
    const stoppedAt = performance.now();
    expect(await scheduler.end("SIGTERM")).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(2_000);
  }, 30_000);

  it("with POST /delay alone keeps what it asks for and what happens in step, also over a kill", async () => {
    const { database, start } = await setup();
    let scheduler = await start("a", { EVENKEEL_API: "delay" });
    for (let kill = 0; kill < 2; kill++) {
      await steering(scheduler);
      await sleep(2_000);
      await scheduler.end("SIGKILL");
      scheduler = await start("a", { EVENKEEL_API: "delay" });
    }
    await steering(scheduler);
    expect(database.delays.size).toBeGreaterThan(100);
    expect(database.placements).toBe(0);
    for (const [id, { arrivedTick, ranInTick }] of database.fates) {
      if (ranInTick === undefined) continue;
      const asked = (database.delays.get(id) ?? []).reduce((sum, ticks) => sum + ticks, 0);
      expect(ranInTick).toBe(arrivedTick + 1 + asked);
    }
    expect(longestWait(database)).toBeLessThanOrEqual(180);
  }, 60_000);

  it("says what is wrong with knobs and goes on with the last good ones", async () => {
    const { environment, serverId, start } = await setup();
    const scheduler = await start("a");
    await steering(scheduler);
    const document = createDocument(environment);
    const table = environment.EVENKEEL_SCHEDULER_TABLE;
    await writeState(document, table, serverId, "knobs", { latencyP95Seconds: "soon" }, 0);
    const told = await eventually(scheduler.status, (status) => (status?.trouble.length ?? 0) > 0);
    expect(told?.trouble).toEqual([expect.stringMatching(/^knobs: the last good ones stay: latencyP95Seconds: /)]);
    expect(told?.mode).toBe("steering");
    await writeState(document, table, serverId, "knobs", { latencyP95Seconds: 4 }, 0);
    document.destroy();
    const mended = await eventually(scheduler.status, (status) => status?.trouble.length === 0);
    expect(mended?.trouble).toEqual([]);
  }, 60_000);

  it("turns knobs from the next tick on and keeps them over a restart; off, nothing is delayed any more", async () => {
    const { database, start } = await setup();
    const scheduler = await start("a");
    await steering(scheduler);
    const body = JSON.stringify({ enabled: false, burst: 7 });
    const headers = { authorization: `Bearer ${process.env.EVENKEEL_TOKEN}` };
    const turned = await fetch(`${scheduler.url}/knobs`, { method: "PUT", body, headers });
    expect(await turned.json()).toMatchObject({ enabled: false, burst: 7, bandWidth: 0.1 });
    const offTick = database.engine.tick;
    expect(await scheduler.status()).toMatchObject({ mode: "off", reason: expect.stringContaining("switched off") });
    await scheduler.end("SIGKILL");
    const again = await start("a");
    const off = await eventually(again.status, (status) => status?.mode === "off", 20_000);
    expect(off).toMatchObject({ knobs: { enabled: false, burst: 7 }, lease: { holder: "a" } });
    await sleep(1_000);
    const since = Array.from(database.fates).filter(([, fate]) => fate.arrivedTick > offTick + 1 && fate.ranInTick);
    expect(since.length).toBeGreaterThan(20);
    expect(since.filter(([, { arrivedTick, ranInTick }]) => ranInTick !== arrivedTick + 1)).toEqual([]);
    const explained = await fetch(`${again.url}/explain?execution=${since.at(-1)?.[0]}`);
    expect(await explained.json()).toMatchObject({ reason: expect.stringContaining("did not move it") });
  }, 60_000);

  it("refuses in one line to steer another server than it was told", async () => {
    const { start } = await setup();
    const scheduler = await start("a", { EVENKEEL_SERVER_ID: "another" });
    await eventually(
      async () => scheduler.child.exitCode,
      (code) => code !== null,
    );
    expect(scheduler.child.exitCode).not.toBe(0);
  }, 30_000);
});

describe("the scheduler's store", () => {
  it("puts its request on the bus", async () => {
    const environment = sharedCloud();
    const document = createDocument(environment);
    const eventBridge = createEventBridge(environment);
    const tables = { scheduler: environment.EVENKEEL_SCHEDULER_TABLE, costs: environment.EVENKEEL_COSTS_TABLE };
    const busName = environment.EVENKEEL_BUS_NAME;
    const away = () => Promise.reject(new Error("not asked"));
    const settings = { serverId: "none", document, eventBridge: () => eventBridge, tables, busName, readCosts: away };
    await createSchedulerStore(settings).requestEstimate();
    document.destroy();
    eventBridge.destroy();
  });
});
