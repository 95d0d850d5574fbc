/** Two scheduler processes that share servers, some of which are bad, on a real cloud over real HTTP. */
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { createDocument } from "../../../platform/aws.ts";
import { schedulerStatus } from "../../../platform/scheduler-status.ts";
import { registerServer } from "../../../platform/tables/servers.ts";
import { loadParameters } from "../../../sim-server/database/parameters.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { type SchedulerProcess, startScheduler, writeTrueCosts } from "../../support/scheduler.ts";
import { serverInfo } from "../../support/server-info.ts";
import { SimDatabase } from "../../support/sim-database.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const run = randomUUID().slice(0, 6);
const good = [1, 2, 3, 4].map((number) => `good-${number}-${run}`);
const directory = temporaryDirectory();
const databases: SimDatabase[] = [];
const bad: Server[] = [];
const processes: SchedulerProcess[] = [];

const fleetStatus = z.object({
  registered: z.number(),
  withoutLease: z.number(),
  servers: z.array(z.object({ serverId: z.string(), mode: z.string(), reason: z.string().nullable() })),
});
const ask = async ({ url }: SchedulerProcess) => fleetStatus.parse(await (await fetch(`${url}/servers`)).json());
/** Good servers that a process steers. */
const steers = async (of: SchedulerProcess) =>
  (await ask(of)).servers
    .filter(({ serverId, mode }) => good.includes(serverId) && mode === "steering")
    .map(({ serverId }) => serverId)
    .sort();

/** What bad servers answer; `GET /server` as a good one does where they get that far. */
const misdeeds: Readonly<
  Record<string, (serverId: string, path: string) => { status: number; text: string } | "silent">
> = {
  refuses: () => ({ status: 500, text: "{}" }),
  silent: () => "silent",
  another: () => ({ status: 200, text: JSON.stringify(serverInfo("another")) }),
  nonsense: (serverId, path) =>
    path === "/server"
      ? { status: 200, text: JSON.stringify(serverInfo(serverId)) }
      : { status: 200, text: `data: {"type":"hello","nonsense":true}\n\n`.repeat(1_000) },
  endless: (serverId, path) =>
    path === "/server"
      ? { status: 200, text: JSON.stringify(serverInfo(serverId)) }
      : { status: 200, text: `data: ${"x".repeat(6 * 1024 * 1024)}` },
};

describe("processes that share servers, good and bad", () => {
  const cloud = sharedCloud();
  const names = [...good, `away-${run}`, ...Object.keys(misdeeds).map((kind) => `${kind}-${run}`)];
  const start = async (slot: string) => {
    const scheduler = await startScheduler(cloud, {
      EVENKEEL_SERVERS: names.join(","),
      EVENKEEL_SLOT: `${slot}-${run}`,
      EVENKEEL_ADVERTISED_URL: "http://127.0.0.1:0",
    });
    processes.push(scheduler);
    return scheduler;
  };

  beforeAll(async () => {
    const document = createDocument(cloud);
    const register = (serverId: string, url: string) =>
      registerServer(document, cloud.EVENKEEL_SERVERS_TABLE, { serverId, url, kind: "native", registeredAt: 1 });
    for (const serverId of good) {
      const database = await SimDatabase.start({
        serverId,
        directory: directory.path,
        parameters: loadParameters("five"),
      });
      databases.push(database);
      await writeTrueCosts(cloud, serverId, database.engine);
      await register(serverId, database.url);
    }
    await register(`away-${run}`, "http://127.0.0.1:65535");
    for (const [kind, misdeed] of Object.entries(misdeeds)) {
      const serverId = `${kind}-${run}`;
      const server = createServer((request, response) => {
        const answer = misdeed(serverId, request.url ?? "");
        if (answer !== "silent") response.writeHead(answer.status).end(answer.text);
      });
      bad.push(server);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      await register(serverId, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    }
    document.destroy();
  }, 60_000);

  afterAll(async () => {
    for (const { child } of processes) child.kill("SIGKILL");
    for (const server of bad) {
      server.closeAllConnections();
      server.close();
    }
    for (const database of databases) await database.stop();
    directory[Symbol.dispose]();
  }, 30_000);

  it("steers the good ones, says what is wrong with each of the bad, and shares them with one that joins", async () => {
    const first = await start("first");
    expect(
      await eventually(
        () => steers(first),
        (seen) => seen.length === 4,
      ),
    ).toEqual(good);
    const { servers, registered } = await eventually(
      () => ask(first),
      ({ servers }) => servers.every(({ serverId, reason }) => good.includes(serverId) || reason !== null),
    );
    expect(registered).toBe(names.length);
    const reasons = Object.fromEntries(
      servers.map(({ serverId, reason }) => [serverId.replace(`-${run}`, ""), reason]),
    );
    expect(reasons).toMatchObject({
      away: expect.stringContaining("ECONNREFUSED"),
      refuses: expect.stringContaining("500"),
      silent: expect.stringContaining("no answer within"),
      another: expect.stringContaining("leads to server another"),
      nonsense: expect.stringMatching(/stream/),
      endless: expect.stringMatching(/stream/),
    });

    const second = await start("second");
    const both = async () => [await steers(first), await steers(second)];
    const [held = [], taken = []] = await eventually(
      both,
      ([a = [], b = []]) => b.length > 0 && new Set([...a, ...b]).size === 4,
    );
    expect([...new Set([...held, ...taken])].sort()).toEqual(good);
    // Either of them answers for all; one that has just been handed over, a moment later.
    for (const { url } of [first, second]) {
      for (const serverId of good) {
        const status = await eventually(
          async () => schedulerStatus.safeParse(await (await fetch(`${url}/servers/${serverId}/status`)).json()).data,
          (told) => told?.mode === "steering",
        );
        expect(status).toMatchObject({ serverId, mode: "steering" });
      }
    }
    expect((await fetch(`${first.url}/status`)).status).toBe(404);
    expect((await fetch(`${first.url}/servers/nobody/status`)).status).toBe(404);
  }, 90_000);

  it("takes over what a killed process steered, and no server hears two of them", async () => {
    const [first, second] = processes;
    if (!first || !second) throw new Error("the test before this one failed");
    await first.end("SIGKILL");
    expect(
      await eventually(
        () => steers(second),
        (seen) => seen.length === 4,
      ),
    ).toEqual(good);
    for (const { fences } of databases) expect(fences).toEqual(fences.toSorted((a, b) => a - b));
    expect(await second.end("SIGTERM")).toBe(0);
  }, 90_000);
});
