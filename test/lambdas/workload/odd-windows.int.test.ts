/** Windows that make no sense, or come from a clock that jumped: used in part or not, counted once, and told by `evenkeel status`. */
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { z } from "zod";
import { createEstimator, restoreEstimator } from "../../../core/workload/estimator/estimator.ts";
import { estimateServer } from "../../../lambdas/workload/estimate-costs/estimate-server.ts";
import { createStateStore } from "../../../lambdas/workload/estimate-costs/state-store.ts";
import { createAws } from "../../../platform/aws.ts";
import { batchWrite } from "../../../platform/tables/batch-write.ts";
import { readVersion } from "../../../platform/tables/costs-version.ts";
import { windowItem } from "../../../platform/tables/windows.ts";
import type { WindowRow } from "../../../platform/wire.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { Place } from "../../support/evenkeel.ts";
import { eventually } from "../../support/eventually.ts";
import { windowRow } from "../../support/rows.ts";
import { serverInfo } from "../../support/server-info.ts";

jest.setTimeout(60_000);

const cloud = sharedCloud();
const aws = createAws(cloud);
const { EVENKEEL_COSTS_TABLE: costs, EVENKEEL_WINDOWS_TABLE: windows, EVENKEEL_STATE_BUCKET: bucket } = cloud;
let serverId = "";

beforeEach(() => {
  serverId = randomUUID();
});
afterAll(() => aws.destroy());

const good = { average: 33, min: 20, max: 40 };

/** Ten ticks, in each of which one execution ran: of `a`, which costs 40, or in every third of `b`, 20. */
function row(sequence: number, endedAt: number, more: Partial<WindowRow> = {}): WindowRow {
  const ticks = Array.from({ length: 10 }, (_, tick) => [(10 * sequence + tick) % 3 === 0 ? 1 : 0]);
  const usage = ticks.reduce((sum, [query]) => sum + (query === 1 ? 20 : 40), 0);
  const band = { ...good, average: Math.floor(usage / 10) };
  const metrics = { cpu: band, io: band, memory: band };
  return windowRow(sequence, { endedAt, metrics, queries: ["a", "b"], ticks, ...more });
}

async function put(rows: readonly WindowRow[]): Promise<void> {
  const writes = rows.map((each) => {
    const item = windowItem(serverId, "i", each, 86_400);
    return { table: windows, identity: `${item.key} ${item.at}`, item };
  });
  expect(await batchWrite(aws.document, writes, { sleep: async () => {}, random: Math.random })).toEqual([]);
}

/** Windows `first` to `last`, a second each, of which number 0 would have ended at `startMs`. */
const record = (first: number, last: number, startMs: number) =>
  put(Array.from({ length: last - first + 1 }, (_, k) => row(first + k, startMs + 1_000 * (first + k))));

describe("bad windows", () => {
  let place: Place;
  let server: Server;
  let serverUrl = "";

  beforeAll(async () => {
    place = await Place.create();
    server = createServer((_, response) => {
      const outbox = { lastSequence: 1, recordedThrough: 1, bytes: 1, incarnations: [] };
      const counted = { executions: 1, windows: 1, gaps: 0 };
      response.end(JSON.stringify(serverInfo(serverId, { outbox, counted })));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    serverUrl = `http://127.0.0.1:${z.object({ port: z.number() }).parse(server.address()).port}`;
  });
  afterAll(async () => {
    server.close();
    await place.remove();
  });

  const status = z.object({
    estimator: z
      .object({
        windows: z.number(),
        rejected: z.record(z.string(), z.number()),
        skippedTicks: z.number(),
        outOfTime: z.number(),
      })
      .nullable(),
  });
  const estimatorStatus = async () => {
    const environment = { ...process.env, ...cloud, EVENKEEL_SERVER_URL: serverUrl };
    const { stdout } = await place.start(["status", "--json"], environment).finished;
    return status.parse(JSON.parse(stdout)).estimator;
  };
  /** Has the deployed function run, and waits for what `status` then says of it. */
  const afterRun = async (windowsLearned: number) => {
    const { item } = await readVersion(aws.document, costs, serverId);
    const event = { Source: "evenkeel", DetailType: "EstimateRequested", Detail: JSON.stringify({ serverId }) };
    await aws.eventBridge.send(
      new PutEventsCommand({ Entries: [{ ...event, EventBusName: cloud.EVENKEEL_BUS_NAME }] }),
    );
    await eventually(
      () => readVersion(aws.document, costs, serverId),
      (now) => now.item?.published !== item?.published && now.item?.windows === windowsLearned,
    );
    return estimatorStatus();
  };

  it("are used in part or not at all, counted once, and told by `status` of the deployed loop", async () => {
    const start = Date.now() - 60_000;
    await record(1, 20, start);
    const bad = { average: 20, min: 30, max: 40 };
    const of = (band: typeof bad) => ({ cpu: band, io: band, memory: band });
    const end = start + 25_000;
    await put([
      row(21, end, { metrics: { ...of(good), cpu: bad } }),
      row(22, end, { metrics: of(bad) }),
      row(23, end, { metrics: of({ average: 50, min: 20, max: 40 }) }),
      row(24, end, { metrics: of({ average: 20, min: -5, max: 40 }) }),
      row(25, end, { metrics: of({ average: 20, min: 0, max: 1e12 }) }),
      row(26, end, { queries: [], ticks: Array.from({ length: 10 }, () => []) }),
      row(27, end, { queries: [], ticks: [[]], metrics: of({ average: 0, min: 0, max: 0 }) }),
    ]);
    const foreign = { ...windowItem(serverId, "i", row(28, end), 60), format: 2 };
    const absent = { ...windowItem(serverId, "i", row(29, end), 60), ticks: "7;8" };
    for (const Item of [foreign, absent]) await aws.document.send(new PutCommand({ TableName: windows, Item }));
    const expected = {
      "min-above-average": 4,
      "average-above-max": 3,
      negative: 3,
      absurd: 3,
      "usage-without-executions": 1,
      "no-executions": 1,
      unreadable: 2,
    };
    // Of number 21 two of three bands can be used; 22 to 29 are left out.
    expect(await afterRun(21)).toEqual({ windows: 21, rejected: expected, skippedTicks: 0, outOfTime: 0 });
    // All of it is read again, and a good window: nothing is counted twice. Ticks 220 to 299 were left out.
    await record(30, 30, start);
    expect(await afterRun(22)).toEqual({ windows: 22, rejected: expected, skippedTicks: 80, outOfTime: 0 });
    const { item } = await readVersion(aws.document, costs, serverId);
    expect(item?.quality.expectedError).toBeLessThan(0.05);
  });
});

describe("a clock that jumps", () => {
  const base = Date.UTC(2026, 10, 21, 12);
  let now = base;
  const run = (create = createEstimator) => {
    const states = createStateStore(aws.s3, bucket);
    const services = {
      ...{ document: aws.document, tables: { windows, costs }, states, createEstimator: create, restoreEstimator },
      ...{ now: () => now, sleep: async () => {}, random: () => 0, warn: () => {} },
    };
    return estimateServer(services, serverId, new AbortController().signal);
  };
  const account = async () => {
    const { item } = await readVersion(aws.document, costs, serverId);
    const { windows: taken, skippedTicks, outOfTime, rejected } = item ?? {};
    return { windows: taken, skippedTicks, outOfTime, rejected };
  };
  /** A minute a run, until `minutes` have passed. */
  const wait = async (minutes: number) => {
    let windowsTaken = 0;
    for (let minute = 0; minute < minutes; minute++) {
      now += 60_000;
      windowsTaken += (await run()).windows;
    }
    return windowsTaken;
  };

  beforeEach(() => {
    now = base;
  });

  it.each([
    ["back by three hours", -3 * 3_600_000],
    ["ahead by three hours", 3 * 3_600_000],
  ])("%s is followed once nothing came for a while, and told", async (_, jump) => {
    await record(1, 20, base - 30_000);
    expect(await run()).toMatchObject({ windows: 20 });
    await record(21, 40, base - 30_000 + jump);
    now += 30_000;
    // Where windows are expected there is none: without a search they would never be read.
    expect(await run()).toMatchObject({ outcome: "unchanged", windows: 0 });
    expect(await wait(10)).toBe(20);
    expect(await account()).toEqual({ windows: 40, skippedTicks: 0, outOfTime: 20, rejected: {} });
    // From then on it is read where its clock is, without a search.
    await record(41, 50, base - 30_000 + jump);
    expect(await run()).toMatchObject({ outcome: "published", windows: 10 });
    expect(await account()).toMatchObject({ windows: 50, outOfTime: 20 });
  });

  it("ahead by minutes and right again costs nothing", async () => {
    await record(1, 20, base + 40 * 60_000);
    expect(await run()).toMatchObject({ windows: 20 });
    await record(21, 40, base);
    now += 60_000;
    expect(await run()).toMatchObject({ windows: 20 });
    expect(await account()).toEqual({ windows: 40, skippedTicks: 0, outOfTime: 0, rejected: {} });
  });

  it("leaves ticks that nobody read, which a late window takes back", async () => {
    await record(1, 10, base - 60_000);
    await record(21, 30, base - 60_000);
    await run();
    expect(await account()).toMatchObject({ windows: 20, skippedTicks: 100 });
    await record(11, 13, base - 60_000);
    await run();
    expect(await account()).toMatchObject({ windows: 23, skippedTicks: 70 });
  });

  it("does not hide that all of a server's windows are bad", async () => {
    const bad = { average: 20, min: 30, max: 40 };
    const faulty = (sequence: number) =>
      row(sequence, base - 60_000 + 1_000 * sequence, { metrics: { cpu: bad, io: bad, memory: bad } });
    await put([faulty(1), faulty(2)]);
    await run();
    await put([faulty(3)]);
    await run();
    await run();
    const { item } = await readVersion(aws.document, costs, serverId);
    expect(item).toMatchObject({ windows: 0, rejected: { "min-above-average": 9 } });
    // The planted fault: an estimator that leaves them out without a word.
    serverId = randomUUID();
    await put([faulty(1), faulty(2)]);
    await run(() => ({ ...createEstimator(), observe: () => ({ accepted: 0, rejected: {} }) }));
    expect(await readVersion(aws.document, costs, serverId)).toEqual({ version: 0 });
  });
});
