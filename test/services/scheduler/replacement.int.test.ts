/** A rolling replacement, as ECS makes it: the new scheduler starts beside the old one, which is then stopped. */
import { randomUUID } from "node:crypto";
import { afterAll, expect, it } from "@jest/globals";
import { loadParameters } from "../../../sim-server/database/parameters.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { type SchedulerProcess, startScheduler, writeTrueCosts } from "../../support/scheduler.ts";
import { SimDatabase } from "../../support/sim-database.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory();
const running: SchedulerProcess[] = [];
let database: SimDatabase | undefined;
afterAll(async () => {
  for (const { child } of running) child.kill("SIGKILL");
  await database?.stop();
  directory[Symbol.dispose]();
}, 20_000);

it("hands the lease over while both run, and the old one's end changes nothing", async () => {
  const environment = sharedCloud();
  const serverId = `replaced-${randomUUID().slice(0, 8)}`;
  const server = await SimDatabase.start({ serverId, directory: directory.path, parameters: loadParameters("five") });
  database = server;
  await writeTrueCosts(environment, serverId, server.engine);
  const start = async (slot: string) => {
    const scheduler = await startScheduler(environment, { EVENKEEL_SERVER_URL: server.url, EVENKEEL_SLOT: slot });
    running.push(scheduler);
    return scheduler;
  };
  const mode = async (scheduler: SchedulerProcess) => (await scheduler.status())?.mode;
  const until = (scheduler: SchedulerProcess, wanted: string) =>
    eventually(
      () => mode(scheduler),
      (seen) => seen === wanted,
    );
  const old = await start("scheduler-1");
  expect(await until(old, "steering")).toBe("steering");
  const oldToken = (await old.status())?.lease.token ?? 0;

  // Another slot would have to wait for as long as the old one renews: two of them must not share a deployment.
  const stranger = await start("scheduler-2");
  expect(await until(stranger, "waiting")).toBe("waiting");
  await stranger.end("SIGTERM");

  const next = await start("scheduler-1");
  expect(await until(next, "steering")).toBe("steering");
  expect(await until(old, "waiting")).toBe("waiting");
  const token = (await next.status())?.lease.token ?? 0;
  expect(token).toBeGreaterThan(oldToken);
  expect(await old.end("SIGTERM")).toBe(0);

  const placed = server.fences.length;
  await eventually(
    async () => server.fences.length,
    (fences) => fences > placed,
  );
  expect(server.fences.at(-1)).toBe(token);
  expect((await next.status())?.lease).toMatchObject({ token });
  expect(server.fences).toEqual(server.fences.toSorted((a, b) => a - b));
}, 120_000);
