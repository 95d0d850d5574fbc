/** A table restored to an earlier second, and what it holds copied back: the runbook's procedure, on the emulator. */
import { randomUUID } from "node:crypto";
import {
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  RestoreTableToPointInTimeCommand,
} from "@aws-sdk/client-dynamodb";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { clientOptions, createAws } from "../../platform/aws.ts";
import { scan } from "../../platform/tables/query.ts";
import { sharedCloud } from "../support/cloud.ts";
import { Place } from "../support/evenkeel.ts";
import { eventually } from "../support/eventually.ts";
import { batchBody, executionRow } from "../support/rows.ts";

const cloud = sharedCloud();
const aws = createAws(cloud);
const dynamo = new DynamoDBClient(clientOptions(cloud));
const table = cloud.EVENKEEL_EXECUTIONS_TABLE;
const serverId = `restored-${randomUUID().slice(0, 8)}`;
const restored = `executions-${serverId}`;
let place: Place;

beforeAll(async () => {
  place = await Place.create();
}, 60_000);
afterAll(async () => {
  await dynamo.send(new DeleteTableCommand({ TableName: restored })).catch(() => {});
  dynamo.destroy();
  aws.destroy();
  await place?.remove();
}, 60_000);

/** This server's items by key. */
async function items(): Promise<Map<string, Record<string, unknown>>> {
  const found = new Map<string, Record<string, unknown>>();
  for await (const item of scan(aws.document, table)) {
    if (String(item.key).startsWith(`${serverId}#`)) found.set(`${item.key} ${item.at}`, item);
  }
  return found;
}
async function record(first: number, count: number): Promise<Map<string, Record<string, unknown>>> {
  const rows = Array.from({ length: count }, (_, index) => executionRow(first + index));
  const known = (await items()).size;
  await aws.sqs.send(
    new SendMessageCommand({
      QueueUrl: cloud.EVENKEEL_QUEUE_URL,
      MessageBody: batchBody(serverId, "i", first, rows),
      MessageGroupId: serverId,
      MessageDeduplicationId: randomUUID(),
    }),
  );
  return eventually(items, (found) => found.size === known + count + 1);
}
const restore = (...options: string[]) =>
  place.start(["restore", restored, "--into", "executions", "--server", serverId, ...options], {
    ...process.env,
    ...cloud,
    EVENKEEL_SERVER_URL: "http://127.0.0.1:1",
  }).finished;

it("brings back what the table had then, beside what came since, and again changes nothing", async () => {
  const before = await record(1, 20);
  expect(before.size).toBe(21);
  await dynamo.send(
    new RestoreTableToPointInTimeCommand({
      SourceTableName: table,
      TargetTableName: restored,
      UseLatestRestorableTime: true,
    }),
  );
  await eventually(
    () => dynamo.send(new DescribeTableCommand({ TableName: restored })),
    ({ Table }) => Table?.TableStatus === "ACTIVE",
  );
  const requests = Array.from(before.values(), ({ key, at }) => ({ DeleteRequest: { Key: { key, at } } }));
  await aws.document.send(new BatchWriteCommand({ RequestItems: { [table]: requests } }));
  const since = await record(21, 5);
  expect(since.size).toBe(6);

  expect(JSON.parse((await restore("--dry-run", "--json")).stdout)).toMatchObject({ rows: 20, receipts: 1 });
  expect(await items()).toEqual(since);
  for (let times = 0; times < 2; times++) {
    const done = await restore();
    expect(done.stdout).toContain("copied 20 rows and 1 receipts");
    expect(await items()).toEqual(new Map([...before, ...since]));
  }
}, 120_000);

it("says which table there is not", async () => {
  const done = await place.start(["restore", "nowhere", "--into", "windows"], {
    ...process.env,
    ...cloud,
    EVENKEEL_SERVER_URL: "http://127.0.0.1:1",
  }).finished;
  expect(done.stderr).toMatch(/^evenkeel: there is no table nowhere/);
}, 60_000);
