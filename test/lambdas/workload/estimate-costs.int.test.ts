/** The estimator's runs on deployed tables and bucket, and the deployed function on its event. */
import { randomUUID } from "node:crypto";
import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { createEstimator, restoreEstimator } from "../../../core/workload/estimator/estimator.ts";
import { type EstimateServices, estimateServer } from "../../../lambdas/workload/estimate-costs/estimate-server.ts";
import { createStateStore } from "../../../lambdas/workload/estimate-costs/state-store.ts";
import { createAws } from "../../../platform/aws.ts";
import { batchWrite } from "../../../platform/tables/batch-write.ts";
import { readCosts, readCostsVersion, versionItemId } from "../../../platform/tables/costs.ts";
import { readVersion } from "../../../platform/tables/costs-version.ts";
import { windowItem } from "../../../platform/tables/windows.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { windowRow } from "../../support/rows.ts";

jest.setTimeout(60_000);

const environment = sharedCloud();
const aws = createAws(environment);
const { EVENKEEL_COSTS_TABLE: costs, EVENKEEL_WINDOWS_TABLE: windows, EVENKEEL_STATE_BUCKET: bucket } = environment;
const states = createStateStore(aws.s3, bucket);
const warnings: string[] = [];
const services: EstimateServices = {
  document: aws.document,
  tables: { windows, costs },
  states,
  createEstimator,
  restoreEstimator,
  now: Date.now,
  sleep: async () => {},
  random: Math.random,
  warn: (message) => warnings.push(message),
};
const reading = new AbortController().signal;
let serverId = "";

beforeEach(() => {
  serverId = randomUUID();
  warnings.length = 0;
});
afterAll(() => aws.destroy());

/** Writes `count` windows from `first` on, a second each. Ten ticks, in each of which one execution ran: of `a` it costs 40, of `b` 20. */
async function record(first: number, count: number, startMs: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, index) => {
    const sequence = first + index;
    const ticks = Array.from({ length: 10 }, (_, tick) => [(sequence + tick) % 3 === 0 ? 1 : 0]);
    const usages = ticks.map(([query]) => (query === 1 ? 20 : 40));
    const average = Math.floor(usages.reduce((sum, usage) => sum + usage, 0) / 10);
    const band = { average, min: 20, max: 40 };
    return windowRow(sequence, {
      endedAt: startMs + 1_000 * sequence,
      metrics: { cpu: band, io: band, memory: band },
      queries: ["a", "b"],
      ticks,
    });
  });
  const writes = rows.map((row) => {
    const item = windowItem(serverId, "i", row, 86_400);
    return { table: windows, identity: `${item.key} ${item.at}`, item };
  });
  expect(await batchWrite(aws.document, writes, { sleep: async () => {}, random: Math.random })).toEqual([]);
}

async function stateObjects(): Promise<string[]> {
  const { Contents = [] } = await aws.s3.send(
    new ListObjectsV2Command({ Bucket: bucket, Prefix: `estimator/${serverId}/` }),
  );
  return Contents.map(({ Key = "" }) => Key);
}

const minuteAgo = () => Date.now() - 60_000;

describe("a run", () => {
  it("learns costs from the windows, and the next one reads only what is new", async () => {
    const start = minuteAgo();
    await record(1, 30, start);
    expect(await estimateServer(services, serverId, reading)).toMatchObject({
      ...{ outcome: "published", version: 1, windows: 30, costs: 2 },
    });
    const read = await readCosts(aws.document, costs, serverId);
    expect(read.version).toBe(1);
    expect(Math.abs((read.costs.get("a")?.mean[0] ?? 0) - 40)).toBeLessThan(1);
    expect(Math.abs((read.costs.get("b")?.mean[2] ?? 0) - 20)).toBeLessThan(1);
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ outcome: "unchanged", windows: 0 });
    await record(31, 5, start);
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ version: 2, windows: 5 });
  });

  it("takes a window that came late", async () => {
    const start = minuteAgo();
    await record(11, 10, start);
    await estimateServer(services, serverId, reading);
    await record(6, 2, start);
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ outcome: "published", windows: 2 });
  });

  it("writes nothing for a server that never recorded a window", async () => {
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ outcome: "unchanged", version: 0 });
    expect(await stateObjects()).toEqual([]);
  });

  it("keeps two states and no more", async () => {
    const start = minuteAgo();
    for (const first of [1, 6, 11, 16]) {
      await record(first, 5, start);
      await estimateServer(services, serverId, reading);
    }
    expect((await stateObjects()).map((key) => Number(/\/(\d+)-[^/]*$/.exec(key)?.[1])).sort()).toEqual([3, 4]);
  });
});

describe("two runs at once", () => {
  it("publish one result: the loser discards its work", async () => {
    await record(1, 20, minuteAgo());
    const results = await Promise.all([
      estimateServer(services, serverId, reading),
      estimateServer(services, serverId, reading),
    ]);
    expect(results.map(({ outcome }) => outcome).sort()).toEqual(["lost", "published"]);
    expect(await readCostsVersion(aws.document, costs, serverId)).toBe(1);
    expect(await stateObjects()).toHaveLength(1);
  });

  it("would both publish if the version item were written without a condition", async () => {
    await record(1, 20, minuteAgo());
    const { document } = createAws(environment);
    document.middlewareStack.add(
      (next) => (args) => {
        const { input } = args;
        if ("ConditionExpression" in input) {
          Object.assign(input, { ConditionExpression: `attribute_not_exists(never) OR ${input.ConditionExpression}` });
        }
        return next(args);
      },
      { step: "initialize", priority: "high" },
    );
    const careless = { ...services, document };
    const runs = [estimateServer(careless, serverId, reading), estimateServer(careless, serverId, reading)];
    expect((await Promise.all(runs)).map(({ outcome }) => outcome)).toEqual(["published", "published"]);
    document.destroy();
  });
});

describe("a run that died before its version became current", () => {
  it("is made up for by the next", async () => {
    await record(1, 20, minuteAgo());
    const failing: EstimateServices = {
      ...services,
      // The state is put, the version item is not: as if the function had ended there.
      states: {
        ...states,
        put: async (...args) => Promise.reject(new Error(`died after ${await states.put(...args)}`)),
      },
    };
    await expect(estimateServer(failing, serverId, reading)).rejects.toThrow("died after");
    expect(await readCostsVersion(aws.document, costs, serverId)).toBe(0);
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ outcome: "published", windows: 20 });
  });
});

describe("a run that died after its version became current", () => {
  it("is published by the next, though no window is new", async () => {
    await record(1, 20, minuteAgo());
    await estimateServer(services, serverId, reading);
    const { item } = await readVersion(aws.document, costs, serverId);
    await aws.document.send(new PutCommand({ TableName: costs, Item: { ...item, published: 0 } }));
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ outcome: "published", windows: 0 });
    expect(await readCostsVersion(aws.document, costs, serverId)).toBe(2);
  });
});

describe("a state of no use", () => {
  const learnThenSpoil = async (spoil: (stateKey: string) => Promise<unknown>) => {
    await record(1, 20, minuteAgo());
    await estimateServer(services, serverId, reading);
    const { item } = await readVersion(aws.document, costs, serverId);
    await spoil(item?.stateKey ?? "");
    return estimateServer(services, serverId, reading);
  };

  it.each([
    ["not gzip", (Key: string) => aws.s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "damaged" }))],
    ["gone", (key: string) => states.remove(key)],
    [
      "of an older version",
      async (key: string) => {
        const other = await states.put(serverId, 0, new TextEncoder().encode('{"version":0}'));
        const { Body } = await aws.s3.send(new GetObjectCommand({ Bucket: bucket, Key: other }));
        const bytes = (await Body?.transformToByteArray()) ?? "";
        await aws.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
      },
    ],
  ])("is learned again from the tables: %s", async (_, spoil) => {
    expect(await learnThenSpoil(spoil)).toMatchObject({ outcome: "published", version: 2, windows: 20 });
    expect(warnings).toEqual(["the state is of no use: learning again from the tables"]);
  });

  it("is learned again when the version item is of another version, which it replaces", async () => {
    const result = await learnThenSpoil(() =>
      aws.document.send(
        new PutCommand({ TableName: costs, Item: { serverId, queryId: versionItemId, format: 9, version: 7 } }),
      ),
    );
    expect(result).toMatchObject({ outcome: "published", version: 8, windows: 20 });
    expect(warnings).toEqual(["the version item cannot be used"]);
  });

  it("does not come of a window item of another version: that one is left out", async () => {
    const start = minuteAgo();
    await record(1, 20, start);
    const odd = { ...windowItem(serverId, "i", windowRow(90, { endedAt: start }), 60), format: 2 };
    await aws.document.send(new PutCommand({ TableName: windows, Item: odd }));
    expect(await estimateServer(services, serverId, reading)).toMatchObject({ outcome: "published", windows: 20 });
    expect(warnings).toEqual(["window left out"]);
  });
});

describe("the deployed function", () => {
  it("estimates on request", async () => {
    await record(1, 20, minuteAgo());
    const { FailedEntryCount } = await aws.eventBridge.send(
      new PutEventsCommand({
        Entries: [
          {
            EventBusName: environment.EVENKEEL_BUS_NAME,
            Source: "evenkeel",
            DetailType: "EstimateRequested",
            Detail: JSON.stringify({ serverId }),
          },
        ],
      }),
    );
    expect(FailedEntryCount).toBe(0);
    expect(
      await eventually(
        () => readCostsVersion(aws.document, costs, serverId),
        (version) => version > 0,
      ),
    ).toBe(1);
  });
});
