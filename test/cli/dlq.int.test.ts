/** Dead letters from their cause to a clean audit, on the deployed queue, recorder and tables. */
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import { type SendMessageBatchCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { QueryCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { z } from "zod";
import { createAws } from "../../platform/aws.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLog } from "../../platform/log.ts";
import { type Outbox, openOutbox } from "../../platform/outbox.ts";
import { createSender } from "../../platform/sender.ts";
import { readTombstones } from "../../platform/tables/executions.ts";
import { readReceipts } from "../../platform/tables/receipts.ts";
import { sharedCloud } from "../support/cloud.ts";
import { Place } from "../support/evenkeel.ts";
import { eventually } from "../support/eventually.ts";
import { execution } from "../support/outbox.ts";
import { executionRow } from "../support/rows.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

jest.setTimeout(120_000);

const letterSchema = z.object({
  id: z.string(),
  kind: z.string(),
  reason: z.string(),
  origin: z.looseObject({ serverId: z.string().optional(), sequence: z.number().optional() }),
  failedAt: z.string(),
  body: z.string(),
});

describe("dead letters", () => {
  const cloud = sharedCloud();
  const aws = createAws(cloud);
  const tables = { executions: cloud.EVENKEEL_EXECUTIONS_TABLE, windows: cloud.EVENKEEL_WINDOWS_TABLE };
  let place: Place;
  let http: Server;
  let serverUrl = "";
  let outbox: Outbox | undefined;

  beforeAll(async () => {
    place = await Place.create();
    http = createServer((_, response) => {
      if (!outbox) return response.writeHead(500).end();
      const about = { serverId: outbox.serverId, kind: "native", epoch: "e", tick: 1, tickMs: 100, windowTicks: 10 };
      const info = { ...outbox.state(), lastSentAt: null, trouble: null, incarnations: outbox.held() };
      const counted = { executions: 0, windows: 0, gaps: 0 };
      return response.end(JSON.stringify({ ...about, defaultDelayTicks: 1, outbox: info, counted }));
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const address = http.address();
    serverUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  });
  afterAll(async () => {
    http.close();
    aws.destroy();
    await place.remove();
  });

  const command = (...args: string[]) =>
    place.start(args, { ...process.env, ...cloud, EVENKEEL_SERVER_URL: serverUrl }).finished;
  const audit = (...options: string[]) => command("audit", "--json", ...options);
  /** The letters that mention `text`: the tests share the queue. */
  const letters = async (text: string) => {
    const { stdout } = await command("dlq", "list", "--json");
    return z
      .array(letterSchema)
      .parse(JSON.parse(stdout))
      .filter((letter) => JSON.stringify(letter).includes(text));
  };
  const lettersOf = (text: string) =>
    eventually(
      () => letters(text),
      (found) => found.length > 0,
    );

  /** An outbox and its sender, whose messages are spoiled on their way while `fault.planted`. */
  function startServer(directory: string) {
    const serverId = randomUUID();
    const file = `${directory}/outbox.sqlite`;
    const opened = openOutbox({ file, serverId, diskBoundBytes: 1e9, clock: systemClock, log: silentLog });
    const fault = { planted: true };
    const stop = new AbortController();
    const sender = createSender({
      outbox: opened,
      sqs: {
        send: (batch: SendMessageBatchCommand, options) => {
          for (const entry of batch.input.Entries ?? []) {
            if (fault.planted) entry.MessageBody = entry.MessageBody?.replace('"executionId":"x2"', '"executionId":7');
          }
          return aws.sqs.send(batch, options);
        },
      },
      queueUrl: cloud.EVENKEEL_QUEUE_URL,
      readReceipts: (incarnation, range) => readReceipts(aws.document, tables, serverId, incarnation, range),
      readTombstones: (incarnation) => readTombstones(aws.document, tables.executions, serverId, incarnation),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      tuning: { timeoutMs: 1_000 },
    });
    const sending = sender.run(stop.signal);
    outbox = opened;
    return {
      serverId,
      fault,
      outbox: opened,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await sending;
        opened.close();
        outbox = undefined;
      },
    };
  }

  it("of a row: shown with reason, origin and time; redriven from the outbox once the cause is mended; then nothing is missing", async () => {
    using directory = temporaryDirectory();
    await using server = startServer(directory.path);
    server.outbox.append([1, 2, 3].map((number) => execution(number)));
    const [letter] = await lettersOf(server.serverId);
    expect(letter).toMatchObject({
      kind: "row",
      reason: expect.stringContaining("executionId"),
      origin: { serverId: server.serverId, incarnation: server.outbox.state().incarnation, sequence: 2 },
      failedAt: expect.stringMatching(/^20/),
    });
    const shown = await command("dlq", "show", letter?.id.slice(0, 13) ?? "");
    expect(shown.stdout).toMatch(/reason +executionId: /);
    expect(shown.stdout).toContain('"executionId":7');
    const before = await audit("--wait", "0");
    expect(before.status).toBe(1);
    expect(JSON.parse(before.stdout)).toMatchObject({ incarnations: [{ recorded: 2, deadLettered: 1, missing: [] }] });

    const dry = await command("dlq", "redrive", "--dry-run", "--json", letter?.id ?? "");
    expect(JSON.parse(dry.stdout)).toMatchObject([{ from: "outbox" }]);
    expect(await letters(server.serverId)).toHaveLength(1);

    // With the cause still there it comes back, at once, as a letter of its own.
    expect((await command("dlq", "redrive", letter?.id ?? "")).status).toBe(0);
    const [again] = await eventually(
      () => letters(server.serverId),
      (found) => found.length > 0 && found[0]?.id !== letter?.id,
      60_000,
    );
    expect(again?.id).not.toBe(letter?.id);
    expect((await audit("--wait", "0")).status).toBe(1);

    server.fault.planted = false;
    expect((await command("dlq", "redrive", again?.id ?? "")).status).toBe(0);
    const after = await audit("--deep", "--wait", "60");
    expect(JSON.parse(after.stdout)).toMatchObject({
      complete: true,
      incarnations: [{ recorded: 3, deadLettered: 0 }],
    });
    expect(after.status).toBe(0);
    expect(await letters(server.serverId)).toEqual([]);
  });

  it("of a row that nobody holds any more: redriven from the letter", async () => {
    using directory = temporaryDirectory();
    await using server = startServer(directory.path);
    // What this version would take; the one before it, say, did not.
    const row = executionRow(1, { executionId: server.serverId });
    await aws.sqs.send(
      new SendMessageCommand({
        QueueUrl: cloud.EVENKEEL_DLQ_URL,
        MessageBody: JSON.stringify(row),
        MessageGroupId: server.serverId,
        MessageDeduplicationId: randomUUID(),
        MessageAttributes: {
          reason: { DataType: "String", StringValue: "of another version" },
          origin: {
            DataType: "String",
            StringValue: JSON.stringify({ serverId: server.serverId, incarnation: "gone", sequence: 1 }),
          },
        },
      }),
    );
    const [letter] = await lettersOf(server.serverId);
    expect((await command("dlq", "redrive", letter?.id ?? "")).stdout).toContain("sent again from the letter");
    const read = () => readReceipts(aws.document, tables, server.serverId, "gone", { first: 1, last: 1 });
    expect(await eventually(read, (receipts) => receipts.length > 0)).toEqual([{ first: 1, last: 1 }]);
  });

  it("given up with a reason: the row is accounted for, is not sent again, and what it was is kept", async () => {
    using directory = temporaryDirectory();
    await using server = startServer(directory.path);
    server.outbox.append([1, 2].map((number) => execution(number)));
    const [letter] = await lettersOf(server.serverId);
    expect((await command("dlq", "discard", letter?.id ?? "")).stderr).toContain("--why");
    expect((await command("dlq", "discard", "--why", "of a test", letter?.id ?? "")).status).toBe(0);
    const after = await audit("--wait", "0");
    expect(JSON.parse(after.stdout)).toMatchObject({ complete: true, incarnations: [{ recorded: 1, discarded: 1 }] });
    const kept = await aws.document.send(
      new QueryCommand({
        TableName: tables.executions,
        KeyConditionExpression: "#key = :key",
        ExpressionAttributeNames: { "#key": "key" },
        ExpressionAttributeValues: { ":key": `${server.serverId}#discarded-letters` },
      }),
    );
    expect(kept.Items).toMatchObject([{ discarded: { why: "of a test" }, body: letter?.body, reason: letter?.reason }]);
  });

  it("of messages that are not ours: sent again as they were, and say before that they would come back", async () => {
    const text = `not ours ${randomUUID()}`;
    await aws.sqs.send(
      new SendMessageCommand({
        QueueUrl: cloud.EVENKEEL_QUEUE_URL,
        MessageBody: text,
        MessageGroupId: text.slice(-12),
        MessageDeduplicationId: randomUUID(),
      }),
    );
    const [letter] = await lettersOf(text);
    expect(letter).toMatchObject({ kind: "foreign", reason: expect.stringContaining("not JSON") });
    const redriven = await command("dlq", "redrive", letter?.id ?? "");
    expect(redriven.stdout).toContain("comes back: not a batch of ours");
    const [again] = await eventually(
      () => letters(text),
      (found) => found.length > 0 && found[0]?.id !== letter?.id,
    );
    await command("dlq", "discard", "--why", "of a test", again?.id ?? "");
    expect(await letters(text)).toEqual([]);
  });

  it("are named by how their id begins, and only by that", async () => {
    const unknown = await command("dlq", "show", "nothing");
    expect(unknown).toMatchObject({ status: 3, stderr: expect.stringContaining("no such letter") });
  });
});
