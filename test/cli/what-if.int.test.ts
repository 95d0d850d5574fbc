/** `replay`, `frontier` and `knobs` as a user runs them, on real tables. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import { createDocument } from "../../platform/aws.ts";
import { type Listening, listen } from "../../platform/http.ts";
import { silentLog } from "../../platform/log.ts";
import { schedulerKnobs } from "../../platform/scheduler-status.ts";
import { executionItem } from "../../platform/tables/executions.ts";
import { windowItem } from "../../platform/tables/windows.ts";
import { applyChange, parseKnobs } from "../../services/scheduler/knobs.ts";
import { createStatusApp } from "../../services/scheduler/status.ts";
import { Engine } from "../../sim-server/database/engine.ts";
import { loadParameters } from "../../sim-server/database/parameters.ts";
import { sharedCloud } from "../support/cloud.ts";
import { Place } from "../support/evenkeel.ts";
import { executionRow, windowRow } from "../support/rows.ts";
import { servedAlone, writeTrueCosts } from "../support/scheduler.ts";
import { serverInfo } from "../support/server-info.ts";

const day = 86_400;
const startedAt = Math.floor(Date.now() / 1_000) * 1_000 - 120_000;

describe("what would have happened", () => {
  const cloud = sharedCloud();
  const serverId = `replayed-${randomUUID()}`;
  let place: Place;
  let server: Server;
  let serverUrl = "";
  let executions = 0;

  /** A minute as no scheduler would have it, told by two epochs of 30 s each. */
  async function record(engine: Engine): Promise<void> {
    const rows: object[] = [];
    const windows: object[] = [];
    for (let tick = 0; tick < 600; tick++) {
      const { executed, window } = engine.step();
      const second = tick >= 300;
      const where = { epoch: second ? "second" : "first", tick: second ? tick - 300 : tick };
      const executedAt = startedAt + tick * 100;
      for (const { id, queryId, arrivedTick } of executed) {
        const delayTicks = tick - arrivedTick;
        const row = executionRow(++executions, {
          ...where,
          executionId: id,
          queryId,
          arrivedAt: executedAt - 100 * delayTicks,
          executedAt,
          delayTicks,
        });
        rows.push(executionItem(serverId, where.epoch, row, day));
      }
      if (!window) continue;
      const { cpu, io, memory } = window;
      const queries = Array.from(new Set(window.ticks.flat()));
      const ticks = window.ticks.map((ran) => ran.map((queryId) => queries.indexOf(queryId)));
      const row = windowRow(tick + 1, {
        epoch: where.epoch,
        firstTick: where.tick - 9,
        endedAt: executedAt,
        queries,
        ticks,
        metrics: { cpu, io, memory },
      });
      windows.push(windowItem(serverId, where.epoch, row, day));
    }
    const document = createDocument(cloud);
    const put = async (TableName: string, items: readonly object[]) => {
      for (let at = 0; at < items.length; at += 50)
        await Promise.all(
          items.slice(at, at + 50).map((Item) => document.send(new PutCommand({ TableName, Item: { ...Item } }))),
        );
    };
    await put(cloud.EVENKEEL_EXECUTIONS_TABLE, rows);
    await put(cloud.EVENKEEL_WINDOWS_TABLE, windows);
    document.destroy();
  }

  beforeAll(async () => {
    place = await Place.create();
    const engine = new Engine(loadParameters("default"));
    await writeTrueCosts(cloud, serverId, engine);
    await record(engine);
    const answer = serverInfo(serverId, { epoch: "second" });
    server = createServer((_, response) => response.end(JSON.stringify(answer)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    serverUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }, 60_000);
  afterAll(async () => {
    server.close();
    await place.remove();
  });

  const run = (...args: string[]) =>
    place.start(args, { ...process.env, ...cloud, EVENKEEL_SERVER_URL: serverUrl }).finished;
  const span = ["--from", new Date(startedAt).toISOString(), "--to", new Date(startedAt + 60_000).toISOString()];

  it("is what did happen where nothing is changed, and more level with the planner", async () => {
    const none = JSON.parse((await run("replay", ...span, "--policy", "none", "--json")).stdout);
    expect(none.happened).toMatchObject({ windows: 60, inBand: 0, executed: executions, delayMax: 0.1 });
    expect(none.would).toMatchObject({ windows: 48, inBand: 0, delayMax: 0.1, deviationP95: expect.any(Number) });
    expect(none.would.arrived).toBeGreaterThan(0.7 * executions);
    const planned = await run("replay", ...span, "--latency-p95", "5");
    expect(planned).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/did happen +would have \(planner, 5 s, place\)/),
    });
    expect(planned.stderr).toMatch(/reading what was recorded|running it again/);
    const share = /in band +0\.0% +([\d.]+)%/.exec(planned.stdout)?.[1];
    expect(Number(share)).toBeGreaterThan(30);
  }, 30_000);

  it("is drawn as a frontier, with what did happen on it", async () => {
    const file = join(place.directory, "frontier.svg");
    const found = await run("frontier", ...span, "--budgets", "3,6", "--svg", file, "--json");
    const { points, today } = JSON.parse(found.stdout);
    expect(points.map(({ policy }: { policy: string }) => policy)).toEqual(["none", "fifo", "planner", "planner"]);
    expect(today).toEqual({ label: "as recorded", delayP95: 0.1, inBand: 0 });
    expect(readFileSync(file, "utf8")).toContain("as recorded: 0.0%, 0.1 s");
  }, 30_000);

  it("needs no running server for a scenario", async () => {
    const found = await place.run("frontier", "--scenario", "five", "--minutes", "0.5", "--budgets", "0.8", "--json");
    expect(JSON.parse(found.stdout)).toMatchObject({ source: "scenario five, 0.5 minutes", points: { length: 3 } });
    expect(await place.run("frontier", "--scenario", "fvie")).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("fvie: neither"),
    });
  }, 30_000);

  it("says that there is nothing to replay", async () => {
    expect(await run("replay", "--from", "2h", "--to", "1h")).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^evenkeel: nothing of .* was recorded between .*\n$/),
    });
    expect(await run("replay", "--from", "1h", "--to", "2h")).toMatchObject({
      status: 3,
      stderr: "evenkeel: --from must lie before --to\n",
    });
  });
});

describe("knobs from the command line", () => {
  let place: Place;
  let listening: Listening;
  let stored: unknown = {};
  beforeAll(async () => {
    place = await Place.create();
    const { app, serve } = createStatusApp(silentLog, { token: process.env.EVENKEEL_TOKEN });
    const inForce = () => schedulerKnobs.parse({ ...defaultKnobs, ...Object(stored) });
    serve(
      servedAlone({
        run: async () => {},
        status: () => {
          throw new Error("not asked");
        },
        knobs: inForce,
        explain: () => undefined,
        async changeKnobs(change) {
          const parsed = parseKnobs(stored);
          stored = applyChange("wrong" in parsed ? {} : parsed.chosen, change);
          return inForce();
        },
      }),
    );
    listening = await listen(app, { host: "127.0.0.1", port: 0 });
  });
  afterAll(async () => {
    await listening.close(0);
    await place.remove();
  });
  const run = (...args: string[]) =>
    place.start(["knobs", ...args], {
      ...process.env,
      ...sharedCloud(),
      EVENKEEL_SERVER_URL: "http://127.0.0.1:9",
      EVENKEEL_SCHEDULER_URL: listening.url,
    }).finished;

  it("are shown and turned", async () => {
    expect(JSON.parse((await run("--json")).stdout)).toEqual(defaultKnobs);
    const args = ["--off", "--latency-p95", "2", "--deadline", "a=b=1.5", "--deadline", "c=9", "--never-delay", "d"];
    const turned = await run(...args);
    expect(turned.stdout).toMatch(/steering +off: nothing is delayed\nlatency budget +2 s/);
    expect(turned.stdout).toMatch(/deadline of d +never delayed/);
    const deadlineSeconds = { "a=b": 1.5, d: 0 };
    expect(JSON.parse((await run("--on", "--deadline", "c=none", "--json")).stdout)).toEqual({
      ...defaultKnobs,
      latencyP95Seconds: 2,
      deadlineSeconds,
    });
  }, 30_000);

  it.each([
    [["--latency-p95", "0"], 2, /seconds above 0/],
    [["--band-width", "1"], 2, /below 1/],
    [["--deadline", "q"], 2, /query=seconds/],
    [["--on", "--off"], 3, /cannot both/],
  ])("refuses %j", async (args, status, message) => {
    expect(await run(...args)).toMatchObject({ status, stderr: expect.stringMatching(message) });
  });

  it("says when the scheduler refuses, or is away", async () => {
    const environment = { ...process.env, ...sharedCloud(), EVENKEEL_SERVER_URL: "http://127.0.0.1:9" };
    const away = await place.start(["knobs", "--on"], { ...environment, EVENKEEL_SCHEDULER_URL: "http://127.0.0.1:9" })
      .finished;
    expect(away).toMatchObject({ status: 3, stderr: expect.stringContaining("does not answer") });
    const asStranger = {
      ...environment,
      EVENKEEL_SCHEDULER_URL: listening.url,
      EVENKEEL_TOKEN: "another-token-0123456789",
    };
    const refused = await place.start(["knobs", "--on"], asStranger).finished;
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringMatching(/stay as they are: a bearer token/) });
  }, 30_000);
});
