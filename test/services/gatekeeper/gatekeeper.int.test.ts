/** The gatekeeper and applications as processes, and what is left of the record when they are killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { freePort } from "../../../local/ports.ts";
import { auditServer } from "../../../platform/audit.ts";
import { createDocument, createSqs } from "../../../platform/aws.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLog } from "../../../platform/log.ts";
import { openOutbox } from "../../../platform/outbox.ts";
import { createServerClient } from "../../../platform/server-client.ts";
import type { ExecutionRow } from "../../../platform/wire.ts";
import { end } from "../../support/child.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { rowsOf } from "../../support/gatekeeper.ts";
import { listeningUrl } from "../../support/scheduler.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const ending of endings.splice(0).reverse()) await ending();
}, 20_000);

async function setup() {
  const directory = temporaryDirectory();
  endings.push(async () => directory[Symbol.dispose]());
  const serverId = `postgres-${randomUUID().slice(0, 8)}`;
  const port = await freePort();
  const environment = sharedCloud();
  const data = join(directory.path, "gatekeeper");
  const output = process.env.EVENKEEL_TEST_OUTPUT ? "inherit" : "ignore";

  const start = async (args: string[], env: Record<string, string> = {}): Promise<ChildProcess> => {
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", output],
    });
    endings.push(() => end(child, "SIGKILL"));
    return child;
  };
  const startGatekeeper = async () => {
    const more = { EVENKEEL_SERVER_ID: serverId, EVENKEEL_DATA_DIR: data, PORT: String(port) };
    const child = await start(["services/gatekeeper/main.ts"], { ...environment, ...more });
    return { child, url: await listeningUrl(child) };
  };
  const startApplication = async (name: string, ms: number) => {
    const file = join(directory.path, `${name}.ledger`);
    const child = await start([
      "test/support/gated-application.ts",
      `http://127.0.0.1:${port}`,
      file,
      name,
      String(ms),
    ]);
    const lines = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
    return {
      child,
      done: child.stdout ? once(child.stdout, "data") : Promise.resolve(),
      begun: () => lines().flatMap((line) => (line.startsWith("begun") ? [line.split(" ")[1] ?? ""] : [])),
      waits: () =>
        lines().flatMap((line) => {
          const [kind, , waited, deferBy] = line.split(" ");
          return kind === "begun" ? [Number(waited) - Number(deferBy)] : [];
        }),
    };
  };
  /** What the gatekeeper has on disk. It must have ended. */
  const rows = () => {
    const file = join(data, "outbox.sqlite");
    const outbox = openOutbox({ file, serverId, diskBoundBytes: 1e9, clock: systemClock, log: silentLog });
    const all = rowsOf(outbox);
    outbox.close();
    const executions = all.filter((row): row is ExecutionRow => row.type === "execution");
    return { executions, gaps: all.filter((row) => row.type === "gap") };
  };
  const follow = () => {
    const stop = new AbortController();
    const client = createServerClient({
      ...{
        url: `http://127.0.0.1:${port}`,
        token: process.env.EVENKEEL_TOKEN,
        clock: systemClock,
        random: Math.random,
      },
    });
    let placed = 0;
    const following = client.follow({
      ...{ signal: stop.signal, fence: 1 },
      onEvent(event) {
        const arrived = event.type === "hello" ? event.queue : event.arrived;
        if (arrived.length === 0) return undefined;
        placed += arrived.length;
        // Far beyond what the application allows.
        const placements = arrived.map(({ id, arrivedTick }) => ({ id, tick: arrivedTick + 100 }));
        client.place(1, placements).catch(() => {});
        return undefined;
      },
      onTrouble() {},
    });
    endings.push(async () => {
      stop.abort();
      await following;
    });
    return { client, placed: () => placed };
  };
  /** How many processes of applications the gatekeeper has on its list. */
  const known = () => {
    const file = join(data, "processes.json");
    return existsSync(file) ? z.array(z.unknown()).parse(JSON.parse(readFileSync(file, "utf8"))).length : 0;
  };
  return { environment, serverId, startGatekeeper, startApplication, rows, known, follow };
}

const sorted = (ids: readonly string[]) => ids.toSorted();

describe("kill -9", () => {
  it("of the gatekeeper: no work waits for it, runs twice, or is missing in the record", async () => {
    const { startGatekeeper, startApplication, rows, known, follow } = await setup();
    const first = await startGatekeeper();
    const scheduler = follow();
    const [one, two, dies] = await Promise.all([
      startApplication("one", 4_000),
      startApplication("two", 4_000),
      startApplication("dies", 60_000),
    ]);
    await eventually(
      async () => scheduler.placed() > 10 && known() === 3,
      (ready) => ready,
    );
    await end(first.child, "SIGKILL");
    await sleep(500);
    await end(dies.child, "SIGKILL");
    await sleep(200);
    const second = await startGatekeeper();
    await Promise.all([one.done, two.done]);
    await eventually(
      async () => (await scheduler.client.server()).counted.executions,
      (executions) => executions > 20,
      10_000,
    );
    await Promise.all([end(one.child, "SIGTERM"), end(two.child, "SIGTERM")]);
    await eventually(
      async () => (await scheduler.client.server()).counted.gaps,
      (gaps) => gaps > 0,
      20_000,
    );
    await end(second.child, "SIGTERM");

    const begun = [...one.begun(), ...two.begun()];
    expect(new Set(begun).size).toBe(begun.length);
    // Two processes that were killed or said goodbye: what had not ended is there, too.
    const ofDead = (queryId: string) => queryId.startsWith("dies-");
    const recorded = rows().executions.map(({ queryId }) => queryId);
    expect(sorted(recorded.filter((queryId) => !ofDead(queryId)))).toEqual(sorted(begun));
    // It died while no gatekeeper was there to notice: some of what it ran is missing, and that is told.
    expect(recorded.filter(ofDead).length).toBeLessThan(dies.begun().length);
    expect(rows().gaps.map(({ reason }) => reason)).toContainEqual(expect.stringContaining("did not come back"));
    // A shared machine's own delays aside.
    expect(Math.max(...one.waits(), ...two.waits())).toBeLessThan(2_000);
    const epochs = new Set(rows().executions.map(({ epoch }) => epoch));
    expect(epochs.size).toBe(2);
  }, 120_000);

  it("of an application: what it had begun is recorded, and another one goes on; all of it reaches the tables", async () => {
    const { environment, serverId, startGatekeeper, startApplication, follow } = await setup();
    await startGatekeeper();
    const { client } = follow();
    const [one, two] = await Promise.all([startApplication("one", 1_500), startApplication("two", 3_000)]);
    await one.done;
    await end(one.child, "SIGKILL");
    await two.done;
    await end(two.child, "SIGTERM");
    const begun = [...one.begun(), ...two.begun()];
    const info = await eventually(
      () => client.server(),
      ({ counted, outbox }) => counted.executions === begun.length && outbox.waiting === 0,
      40_000,
    );
    expect(info.counted).toMatchObject({ executions: begun.length, gaps: 0 });
    const document = createDocument(environment);
    const sqs = createSqs(environment);
    endings.push(async () => {
      document.destroy();
      sqs.destroy();
    });
    const audit = await auditServer({ document, sqs, names: environment, server: info, deep: true, now: Date.now() });
    expect(audit).toMatchObject({ serverId, complete: true });
  }, 120_000);
});
