import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createDocument } from "../../platform/aws.ts";
import { executionItem, receiptItem, tombstoneItem } from "../../platform/tables/executions.ts";
import { noteIncarnation } from "../../platform/tables/servers.ts";
import { sharedCloud } from "../support/cloud.ts";
import { Place } from "../support/evenkeel.ts";
import { executionRow } from "../support/rows.ts";

const day = 86_400;

describe("the audit", () => {
  const cloud = sharedCloud();
  const document = createDocument(cloud);
  const table = cloud.EVENKEEL_EXECUTIONS_TABLE;
  let place: Place;
  let server: Server;
  let serverUrl = "";
  let answer: object = {};

  beforeAll(async () => {
    place = await Place.create();
    server = createServer((_, response) => response.end(JSON.stringify(answer)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    serverUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  });
  afterAll(async () => {
    server.close();
    document.destroy();
    await place.remove();
  });

  /** A server that has executed `lastSequence` rows, and what is in the table of them. */
  async function given(lastSequence: number) {
    const serverId = `audit-${randomUUID()}`;
    const incarnation = randomUUID();
    const outbox = {
      incarnation,
      lastSequence,
      recordedThrough: 0,
      waiting: 2,
      bytes: 1,
      lastSentAt: null,
      trouble: null,
    };
    const counted = { executions: lastSequence, windows: 0, gaps: 0 };
    const clockwork = { tick: 1, tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 };
    answer = { serverId, kind: "native", epoch: "epoch", ...clockwork, outbox, counted };
    const put = (Item: object) => document.send(new PutCommand({ TableName: table, Item: { ...Item } }));
    return {
      serverId,
      incarnation,
      receipt: (first: number, last: number, of = incarnation) =>
        put(receiptItem(serverId, of, { first, last }, Date.now(), day)),
      bury: (sequence: number) => put(tombstoneItem(serverId, incarnation, sequence, "not JSON", Date.now(), day)),
      record: (sequence: number, executedAt = Date.now()) =>
        put(executionItem(serverId, incarnation, executionRow(sequence, { executedAt }), day)),
    };
  }
  const audit = (...options: string[]) =>
    place.start(["audit", "--wait", "0", ...options], { ...process.env, ...cloud, EVENKEEL_SERVER_URL: serverUrl })
      .finished;

  it("is content when receipts cover all that was executed", async () => {
    const { receipt } = await given(5);
    await receipt(1, 2);
    await receipt(3, 5);
    expect(await audit()).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("everything that was executed is recorded"),
    });
  });

  it("names the rows that no receipt covers", async () => {
    const { receipt, incarnation } = await given(9);
    await receipt(2, 3);
    await receipt(5, 7);
    const found = await audit("--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      complete: false,
      incarnations: [
        {
          incarnation,
          executed: 9,
          recorded: 5,
          missing: [
            { first: 1, last: 1 },
            { first: 4, last: 4 },
            { first: 8, last: 9 },
          ],
        },
      ],
    });
    expect((await audit()).stdout).toContain(`${incarnation}: without a receipt: 1, 4, 8-9`);
  });

  it("counts what lies in the dead-letter queue as not recorded", async () => {
    const { receipt, bury } = await given(3);
    await receipt(1, 2);
    await bury(3);
    const found = await audit("--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({ incarnations: [{ recorded: 2, deadLettered: 1, missing: [] }] });
  });

  it("sees the holes of an earlier outbox", async () => {
    const { serverId, receipt } = await given(1);
    await receipt(1, 1);
    const earlier = randomUUID();
    await noteIncarnation(document, cloud.EVENKEEL_SERVERS_TABLE, serverId, earlier, 1);
    await receipt(3, 4, earlier);
    const found = await audit("--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      incarnations: [
        { incarnation: earlier, executed: 4, recorded: 2, missing: [{ first: 1, last: 2 }] },
        { missing: [] },
      ],
    });
  });

  it("looks for the rows themselves when asked to, for a receipt may claim too much", async () => {
    const { receipt, record } = await given(3);
    await receipt(1, 3);
    for (const sequence of [1, 3]) await record(sequence);
    expect((await audit()).status).toBe(0);
    const found = await audit("--deep", "--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      incarnations: [{ recorded: 2, absent: [{ first: 2, last: 2 }] }],
    });
  });

  it("counts rows that stand twice under one number", async () => {
    const { receipt, record } = await given(2);
    await receipt(1, 2);
    for (const sequence of [1, 2]) await record(sequence, Date.now() - 1_000);
    expect(JSON.parse((await audit("--deep", "--json")).stdout)).toMatchObject({ incarnations: [{ duplicated: 0 }] });
    await record(2, Date.now());
    expect(JSON.parse((await audit("--deep", "--json")).stdout)).toMatchObject({ incarnations: [{ duplicated: 1 }] });
  });

  it("says that the server does not answer", async () => {
    await given(1);
    answer = { something: "else" };
    expect(await audit()).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^evenkeel: GET .*\/server: .*\n$/),
    });
  });
});
