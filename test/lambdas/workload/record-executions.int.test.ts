/** The queue, the recorder and the tables as they are deployed. */
import { randomUUID } from "node:crypto";
import { ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { createAws } from "../../../platform/aws.ts";
import { readExecutions, readGaps, readTombstones } from "../../../platform/tables/executions.ts";
import { readReceipts } from "../../../platform/tables/receipts.ts";
import { listIncarnations, listServers } from "../../../platform/tables/servers.ts";
import { readWindows } from "../../../platform/tables/windows.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { batchBody, executionRow, windowRow } from "../../support/rows.ts";

jest.setTimeout(60_000);

const environment = sharedCloud();
const aws = createAws(environment);
const table = environment.EVENKEEL_EXECUTIONS_TABLE;
let serverId = "";

beforeEach(() => {
  serverId = randomUUID();
});
afterAll(() => aws.destroy());

function send(body: string): Promise<unknown> {
  return aws.sqs.send(
    new SendMessageCommand({
      QueueUrl: environment.EVENKEEL_QUEUE_URL,
      MessageBody: body,
      MessageGroupId: serverId,
      MessageDeduplicationId: randomUUID(),
    }),
  );
}

const tables = { executions: table, windows: environment.EVENKEEL_WINDOWS_TABLE };
const receipts = () => readReceipts(aws.document, tables, serverId, "i", { first: 1, last: 1_000 });
const tombstones = () => readTombstones(aws.document, table, serverId, "i");
/** A batch of receipts and tombstones is not there all at once. */
const atLeast = (count: number) => (read: readonly unknown[]) => read.length >= count;

async function executions() {
  const { executions: read } = await readExecutions(
    aws.document,
    table,
    serverId,
    "query",
    1_795_250_000_000,
    1_795_253_000_000,
  );
  return read;
}

/** Takes messages off the dead-letter queue until one satisfies `wanted`: the tests share the queue. */
async function deadLetter(wanted: (body: string) => boolean) {
  const letters = await eventually(
    async () => {
      const { Messages = [] } = await aws.sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: environment.EVENKEEL_DLQ_URL,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ["All"],
          VisibilityTimeout: 0,
        }),
      );
      return Messages.filter(({ Body = "" }) => wanted(Body));
    },
    (found) => found.length > 0,
  );
  const attributes = Object.entries(letters[0]?.MessageAttributes ?? {});
  return {
    body: letters[0]?.Body,
    ...Object.fromEntries(attributes.map(([name, value]) => [name, value.StringValue])),
  };
}

describe("what is sent to the queue", () => {
  it("is in the tables, with a receipt and its incarnation", async () => {
    const window = windowRow(2, { queries: ["query"], ticks: [[0], [], [0, 0]] });
    const gap = { type: "gap", sequence: 3, epoch: "epoch", from: 1, to: 1_795_251_599_999, reason: "away" };
    await send(batchBody(serverId, "i", 1, [executionRow(1), window, gap]));
    expect(await eventually(receipts, atLeast(1))).toEqual([{ first: 1, last: 3 }]);
    expect(await executions()).toMatchObject([{ sequence: 1, executionId: "execution-1", incarnation: "i" }]);
    const { windows } = await readWindows(
      aws.document,
      environment.EVENKEEL_WINDOWS_TABLE,
      serverId,
      window.endedAt,
      window.endedAt,
    );
    expect(windows).toMatchObject([{ sequence: 2, ticks: [["query"], [], ["query", "query"]] }]);
    expect(await readGaps(aws.document, table, serverId, "i")).toMatchObject([{ reason: "away" }]);
    const { EVENKEEL_SERVERS_TABLE: servers } = environment;
    expect(await listIncarnations(aws.document, servers, serverId)).toMatchObject([{ incarnation: "i" }]);
    expect(await listServers(aws.document, servers)).toContainEqual({ serverId });
  });

  it("is one item when it is delivered twice, and two when it conflicts", async () => {
    await send(batchBody(serverId, "i", 1, [executionRow(1)]));
    await send(batchBody(serverId, "i", 1, [executionRow(1), executionRow(2)]));
    await send(batchBody(serverId, "i", 2, [executionRow(2, { delayTicks: 9 })]));
    await eventually(receipts, atLeast(3));
    expect((await executions()).map(({ sequence, delayTicks }) => [sequence, delayTicks]).sort()).toEqual([
      [1, 1],
      [2, 1],
      [2, 9],
    ]);
  });

  it("is taken in more than one batch of writes", async () => {
    const rows = Array.from({ length: 260 }, (_, index) => executionRow(index + 1));
    await send(batchBody(serverId, "i", 1, rows));
    expect(await eventually(receipts, atLeast(1))).toEqual([{ first: 1, last: 260 }]);
    expect(await executions()).toHaveLength(260);
  });
});

describe("what cannot be recorded", () => {
  it("lies in the dead-letter queue as a row, with its reason and origin, and its neighbours are recorded", async () => {
    const poison = { ...executionRow(2), executionId: serverId, colour: "red" };
    await send(batchBody(serverId, "i", 1, [executionRow(1), poison, executionRow(3)]));
    expect(await eventually(tombstones, atLeast(1))).toMatchObject([{ sequence: 2 }]);
    expect(await eventually(receipts, atLeast(2))).toEqual([
      { first: 1, last: 1 },
      { first: 3, last: 3 },
    ]);
    const letter = await deadLetter((body) => body.includes(serverId));
    expect(letter).toMatchObject({
      body: JSON.stringify(poison),
      reason: expect.stringContaining('Unrecognized key: "colour"'),
      origin: expect.stringContaining(`"incarnation":"i","sequence":2`),
      failedAt: expect.stringMatching(/^20\d\d-/),
    });
  });

  it("lies there whole when it is not ours, and the group goes on", async () => {
    await send(`malformed ${serverId}`);
    await send(JSON.stringify({ format: "evenkeel.batch/2", serverId }));
    await send(batchBody(serverId, "i", 1, [executionRow(1)]));
    expect(await eventually(receipts, atLeast(1))).toEqual([{ first: 1, last: 1 }]);
    expect(await deadLetter((body) => body === `malformed ${serverId}`)).toMatchObject({
      reason: expect.stringMatching(/^not JSON/),
    });
    expect(await deadLetter((body) => body.includes(serverId) && body.includes("batch/2"))).toMatchObject({
      reason: expect.stringContaining("format"),
    });
  });
});

describe("a row with characters that queues refuse", () => {
  it("is dead-lettered with them escaped", async () => {
    const poison = { ...executionRow(1), executionId: `${serverId}\uffff\u0001` };
    const body = batchBody(serverId, "i", 1, [poison]).replace("\uffff", "\\uffff");
    await send(body);
    const letter = await deadLetter((text) => text.includes(serverId));
    expect(JSON.parse(letter.body ?? "")).toEqual(poison);
  });
});

describe("an oversize row", () => {
  it("is refused by the table, not with its neighbours", async () => {
    // A message may hold 1 MiB, an item 400 KB.
    const queries = Array.from({ length: 2_200 }, (_, index) => `${index}`.padEnd(200, "x"));
    await send(batchBody(serverId, "i", 1, [executionRow(1), windowRow(2, { queries }), executionRow(3)]));
    expect(await eventually(receipts, atLeast(2))).toEqual([
      { first: 1, last: 1 },
      { first: 3, last: 3 },
    ]);
    expect(await eventually(tombstones, atLeast(1))).toMatchObject([
      { sequence: 2, reason: expect.stringContaining("the table refused it") },
    ]);
  });
});
