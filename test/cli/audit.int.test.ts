import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { createDocument } from "../../platform/aws.ts";
import { executionItem, gapItem, tombstoneItem } from "../../platform/tables/executions.ts";
import { receiptItem } from "../../platform/tables/receipts.ts";
import { noteIncarnation } from "../../platform/tables/servers.ts";
import type { ExecutionRow } from "../../platform/wire.ts";
import { sharedCloud } from "../support/cloud.ts";
import { Place } from "../support/evenkeel.ts";
import { eventually } from "../support/eventually.ts";
import { executionRow } from "../support/rows.ts";
import { serverInfo } from "../support/server-info.ts";

jest.setTimeout(60_000);

const day = 86_400;
const executedAt = Date.now();
const later = Math.floor(executedAt / 1_000) + day;

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
  async function given(lastSequence: number, heldFrom = 1) {
    const serverId = `audit-${randomUUID()}`;
    const incarnation = randomUUID();
    const incarnations = [{ incarnation, lastSequence, held: [{ first: heldFrom, last: lastSequence }] }];
    const outbox = { incarnation, lastSequence, waiting: 2, bytes: 1, incarnations };
    answer = serverInfo(serverId, { outbox, counted: { executions: lastSequence, windows: 0, gaps: 0 } });
    const put = (Item: object, TableName = table) => document.send(new PutCommand({ TableName, Item: { ...Item } }));
    const writeReceipt = async (
      first: number,
      last: number,
      of: string,
      tables: readonly string[],
      expiry = later,
      recordedAt = Date.now(),
    ) => {
      const item = receiptItem(serverId, of, { first, last }, recordedAt, 30 * day, expiry);
      for (const name of tables) await put(item, name);
    };
    return {
      serverId,
      incarnation,
      receipt: (first: number, last: number, of = incarnation) =>
        writeReceipt(first, last, of, [table, cloud.EVENKEEL_WINDOWS_TABLE]),
      /** As after `resource-windows` alone was lost. */
      receiptInOneTable: (first: number, last: number) => writeReceipt(first, last, incarnation, [table]),
      expiredReceipt: (first: number, last: number) =>
        writeReceipt(first, last, incarnation, [table, cloud.EVENKEEL_WINDOWS_TABLE], 1),
      /** About to expire. */
      oldReceipt: (first: number, last: number) =>
        writeReceipt(
          first,
          last,
          incarnation,
          [table, cloud.EVENKEEL_WINDOWS_TABLE],
          1,
          Date.now() - 29.5 * day * 1_000,
        ),
      bury: (sequence: number, more = {}) =>
        put({ ...tombstoneItem(serverId, incarnation, sequence, "not JSON", Date.now(), day), ...more }),
      gap: () =>
        put(
          gapItem(serverId, incarnation, { type: "gap", sequence: 2, epoch: "e", from: 1, to: 2, reason: "away" }, day),
        ),
      record: (sequence: number, more: Partial<ExecutionRow> = {}) =>
        put(executionItem(serverId, incarnation, executionRow(sequence, { executedAt, ...more }), day)),
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
    const noted = { incarnation: earlier, firstSeenAt: 1, through: 19_999 };
    await noteIncarnation(document, cloud.EVENKEEL_SERVERS_TABLE, serverId, noted);
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

  it("sees what came last of an outbox that nobody holds any more, however long what came first has been expired", async () => {
    const { serverId, receipt } = await given(1);
    await receipt(1, 1);
    const noted = { incarnation: randomUUID(), firstSeenAt: 1, through: 19_999 };
    await noteIncarnation(document, cloud.EVENKEEL_SERVERS_TABLE, serverId, noted);
    await receipt(1_000_001, 1_000_004, noted.incarnation);
    // What recorders do not note is not looked for so far on.
    expect(JSON.parse((await audit("--json")).stdout)).toMatchObject({ incarnations: [{ missing: [] }] });
    await noteIncarnation(document, cloud.EVENKEEL_SERVERS_TABLE, serverId, { ...noted, through: 1_019_999 });
    expect(JSON.parse((await audit("--json")).stdout)).toMatchObject({
      incarnations: [{ incarnation: noted.incarnation, executed: 1_000_004, recorded: 4 }, { missing: [] }],
    });
  });

  it("does not read all that lies before a number of many digits that somebody claims", async () => {
    const { serverId, receipt } = await given(1);
    await receipt(1, 1);
    const noted = { incarnation: randomUUID(), firstSeenAt: 1, through: 999_999_999_999 };
    await noteIncarnation(document, cloud.EVENKEEL_SERVERS_TABLE, serverId, noted);
    for (const first of [1, 150_000, 999_999_999_990]) await receipt(first, first + 9, noted.incarnation);
    const [claimed] = JSON.parse((await audit("--json")).stdout).incarnations;
    expect(claimed).toMatchObject({ executed: 999_999_999_999, recorded: 30 });
  });

  it("looks for the rows themselves when asked to, for a receipt may claim too much", async () => {
    const { receipt, record } = await given(3);
    await receipt(1, 3);
    for (const sequence of [1, 3]) await record(sequence);
    expect((await audit()).status).toBe(0);
    const found = await audit("--deep", "--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      incarnations: [{ recorded: 2, rows: { absent: [{ first: 2, last: 2 }] } }],
    });
  });

  it("tells what is still held from what is lost for good", async () => {
    const { receipt, incarnation } = await given(9, 6);
    await receipt(4, 7);
    const found = await audit("--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      incarnations: [{ recorded: 4, inOutbox: 2, lost: [{ first: 1, last: 3 }] }],
    });
    expect((await audit()).stdout).toContain(`${incarnation}: without a receipt, and held by nobody any more: 1-3`);
  });

  it("takes a row for recorded when both tables have its receipt", async () => {
    const { receipt, receiptInOneTable } = await given(5);
    await receipt(1, 2);
    await receiptInOneTable(3, 5);
    const found = await audit("--json");
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      incarnations: [{ missing: [{ first: 3, last: 5 }], inOutbox: 3 }],
    });
  });

  it("takes what a person has given up as accounted for", async () => {
    const { receipt, bury } = await given(3);
    await receipt(1, 2);
    await bury(3, { discarded: { why: "of a test", at: 1 } });
    const found = await audit("--json");
    expect(found.status).toBe(0);
    expect(JSON.parse(found.stdout)).toMatchObject({ complete: true, incarnations: [{ recorded: 2, discarded: 1 }] });
  });

  it("never calls a server complete that could not be seen for a while", async () => {
    const { receipt, gap } = await given(2);
    await receipt(1, 2);
    await gap();
    expect(await audit()).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("may have gone unseen in the gaps"),
    });
  });

  it("reads the engine's own account, and tells what it has beyond the tables", async () => {
    const { serverId, incarnation, receipt, record } = await given(3);
    const ledger = join(place.directory, "ledger.log");
    const ran = "query 0 query;\ntick 1 5 1 0:execution-1 0:execution-2;\ntick 2 6 3 0:execution-3;\n";
    writeFileSync(ledger, `epoch epoch ${serverId};\nincarnation ${incarnation};\n${ran}`);
    await receipt(1, 2);
    expect(JSON.parse((await audit("--json", "--ledger", ledger)).stdout)).toMatchObject({
      incarnations: [{ ledger: { since: 5, executions: 3, unrecorded: 1 } }],
    });
    await receipt(3, 3);
    expect(await audit("--ledger", ledger)).toMatchObject({ status: 0 });
    // Deep: what stands there is held against it, too.
    await record(1, { tick: 1 });
    await record(2, { tick: 1 });
    await record(3, { tick: 2 });
    expect(await audit("--deep", "--ledger", ledger)).toMatchObject({ status: 0 });
    writeFileSync(
      ledger,
      `epoch epoch ${serverId};\nincarnation ${incarnation};\n${ran.replace("execution-3", "other")}`,
    );
    const wrong = await audit("--deep", "--json", "--ledger", ledger);
    expect(wrong.status).toBe(1);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ exact: false, incarnations: [{ rows: { wrong: 1 } }] });
  });

  it("finds executions of an outbox that was lost before any table heard of it", async () => {
    const { serverId, incarnation, receipt } = await given(1);
    await receipt(1, 1);
    const ledger = join(place.directory, "lost-outbox.log");
    const lines = (of: string, executionId: string) => `incarnation ${of};\ntick 1 5 1 0:${executionId};\n`;
    const head = `epoch epoch ${serverId};\nquery 0 query;\n`;
    writeFileSync(ledger, head + lines(incarnation, "execution-1"));
    expect(await audit("--ledger", ledger)).toMatchObject({ status: 0 });
    const lost = randomUUID();
    writeFileSync(ledger, head + lines(lost, "execution-0") + lines(incarnation, "execution-1"));
    const found = await audit("--json", "--ledger", ledger);
    expect(found.status).toBe(1);
    expect(JSON.parse(found.stdout)).toMatchObject({
      complete: false,
      incarnations: [{ incarnation }, { incarnation: lost, executed: 0, ledger: { executions: 1, unrecorded: 1 } }],
    });
  });

  it("counts rows that differ under one number, and executions under more than one", async () => {
    const { receipt, record } = await given(2);
    await receipt(1, 2);
    for (const sequence of [1, 2]) await record(sequence);
    expect(await audit("--deep")).toMatchObject({ status: 0 });
    await record(2, { delayTicks: 9 });
    const conflicting = await audit("--deep", "--json");
    expect(conflicting.status).toBe(1);
    expect(JSON.parse(conflicting.stdout)).toMatchObject({
      complete: true,
      exact: false,
      duplicated: 0,
      incarnations: [{ rows: { conflicting: 1 } }],
    });
    await record(3, { executionId: "execution-1", tick: 1 });
    expect(JSON.parse((await audit("--deep", "--json")).stdout)).toMatchObject({ duplicated: 1 });
  });

  it("leaves expired rows out when it looks for them", async () => {
    const { receipt, expiredReceipt, record } = await given(4);
    await expiredReceipt(1, 2);
    await receipt(3, 4);
    for (const sequence of [3, 4]) await record(sequence);
    expect(await audit("--deep")).toMatchObject({ status: 0 });
  });

  it("takes receipts that are past their time for expired, where the outbox is that old and no hole is before them", async () => {
    const { serverId, incarnation, receipt, oldReceipt } = await given(9);
    const noted = { incarnation, firstSeenAt: Date.now() - 40 * day * 1_000, through: 19_999 };
    await noteIncarnation(document, cloud.EVENKEEL_SERVERS_TABLE, serverId, noted);
    await receipt(6, 9);
    expect(JSON.parse((await audit("--json")).stdout)).toMatchObject({ incarnations: [{ expired: 0, lost: [] }] });
    expect((await audit()).status).toBe(1);
    await oldReceipt(4, 5);
    expect(await audit()).toMatchObject({ status: 0, stdout: expect.stringContaining("3 rows are past the time") });
  });

  it("goes on with --watch until it is told to stop", async () => {
    const { receipt } = await given(1);
    await receipt(1, 1);
    const environment = { ...process.env, ...cloud, EVENKEEL_SERVER_URL: serverUrl };
    const watching = place.start(["audit", "--watch", "--json"], environment);
    const seen = await eventually(
      async () => watching.output().trim().split("\n"),
      (lines) => lines.length >= 2,
    );
    expect(seen.slice(0, 2).map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ complete: true }),
      expect.objectContaining({ complete: true }),
    ]);
    watching.kill("SIGINT");
    expect(await watching.finished).toMatchObject({ status: 0 });
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
