import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import type { DeadLetter, DeadLetters } from "../../../../lambdas/workload/record-executions/dead-letters.ts";
import { createRecorder } from "../../../../lambdas/workload/record-executions/recorder.ts";
import { documentAnsweredBy } from "../../../support/document.ts";

const batch = z.object({
  RequestItems: z.record(
    z.string(),
    z.array(z.object({ PutRequest: z.object({ Item: z.looseObject({ key: z.string(), at: z.string() }) }) })),
  ),
});
const tables = { executions: "executions", windows: "windows", servers: "servers" };
const running = new AbortController().signal;

/** A recorder on a store in memory. `refuses` may throw for a batch of item keys, before anything of it is kept. */
function setUp(refuses: (keys: readonly string[]) => void = () => {}, bury: DeadLetters = async () => {}) {
  const items = new Map<string, Readonly<Record<string, unknown>>>();
  const noted: unknown[] = [];
  const receipts: string[] = [];
  const letters: DeadLetter[] = [];
  const document = documentAnsweredBy((command, input) => {
    if (command === "PutItemCommand" || command === "PutCommand") {
      noted.push(input.Item);
      return {};
    }
    const requests = Object.entries(batch.parse(input).RequestItems);
    const read = requests.flatMap(([table, puts]) =>
      puts.map(({ PutRequest: { Item: item } }) => ({ table, id: `${item.key} ${item.at}`, item })),
    );
    refuses(read.map(({ id }) => id));
    for (const { table, id, item } of read) {
      items.set(id, item);
      if (item.key.endsWith("#receipts")) receipts.push(`${table} ${item.at}`);
    }
    return {};
  });
  const recorder = createRecorder({
    document,
    tables,
    deadLetters: async (letter, signal) => {
      await bury(letter, signal);
      letters.push(letter);
    },
    now: () => 1_000_000,
    sleep: async () => {},
    random: () => 0,
    warn: () => {},
  });
  return { recorder, items, noted, receipts, letters };
}

const execution = (sequence: number, more: object = {}) => ({
  type: "execution",
  sequence,
  epoch: "e",
  executionId: `x${sequence}`,
  queryId: "q",
  arrivedAt: 1,
  executedAt: 2,
  tick: 3,
  delayTicks: 4,
  ...more,
});
const message = (messageId: string, group: string, first: number, last: number, rows: readonly unknown[]) => ({
  messageId,
  group,
  body: JSON.stringify({ format: "evenkeel.batch/1", serverId: "s", incarnation: "i", base: 1, first, last, rows }),
});
const beside = (items: ReadonlyMap<string, unknown>, kind: string) =>
  [...items.keys()].filter((id) => id.includes(`#${kind} `)).map((id) => id.split(" ")[1]);

describe("the recorder", () => {
  it("writes rows, then a receipt, and notes the incarnation once", async () => {
    const { recorder, items, noted } = setUp();
    const messages = [message("a", "g", 1, 2, [execution(1), execution(2)]), message("b", "g", 3, 3, [execution(3)])];
    const from = { serverId: "s", incarnation: "i" };
    expect(await recorder.record(messages, running)).toEqual({
      failed: [],
      rows: 3,
      deadLetters: 0,
      oldestAt: 2,
      batches: [
        { ...from, messageId: "a", first: 1, last: 2 },
        { ...from, messageId: "b", first: 3, last: 3 },
      ],
    });
    expect([...items.keys()].filter((id) => id.startsWith("s#q#"))).toHaveLength(3);
    expect(beside(items, "receipts")).toEqual(["000000000001#000000000002", "000000000003#000000000003"]);
    expect(noted).toMatchObject([
      { serverId: "s", item: "incarnation#i", firstSeenAt: 1_000_000 },
      { serverId: "s", item: "through#i", through: 19_999 },
    ]);
  });

  it("notes before the rows' receipts up to where some may be, once for each of their partitions", async () => {
    const { recorder, items, noted } = setUp(() => expect(noted).not.toEqual([]));
    const of = (first: number) =>
      message(String(first), "g", first, first + 1, [execution(first), execution(first + 1)]);
    await recorder.record([1, 19_997, 19_999, 20_001].map(of), running);
    expect(noted.filter((item) => Object(item).through)).toMatchObject([{ through: 19_999 }, { through: 39_999 }]);
    const partitions = [...items.keys()].filter((id) => id.includes("#receipts")).map((id) => id.split(" ")[0]);
    expect(partitions).toEqual(["s#i#0#receipts", "s#i#0#receipts", "s#i#0#receipts", "s#i#1#receipts"]);
  });

  it("leaves a receipt in each table, which says when the first of its rows may go", async () => {
    const { recorder, items, receipts } = setUp();
    await recorder.record([message("a", "g", 1, 2, [execution(1, { executedAt: 9_000 }), execution(2)])], running);
    const at = "000000000001#000000000002";
    expect(receipts).toEqual([`executions ${at}`, `windows ${at}`]);
    // Executed at 2 ms, kept for 14 days.
    expect(items.get(`s#i#0#receipts ${at}`)).toMatchObject({ twin: true, rowsExpireAt: 14 * 86_400 });
  });

  it("makes one item of a row that comes twice, and two of a conflicting one", async () => {
    const { recorder, items } = setUp();
    const messages = [message("a", "g", 1, 1, [execution(1)]), message("b", "h", 1, 1, [execution(1)])];
    await recorder.record(messages, running);
    expect([...items.keys()].filter((id) => id.startsWith("s#q#"))).toHaveLength(1);
    await recorder.record([message("c", "g", 1, 1, [execution(1, { delayTicks: 5 })])], running);
    expect([...items.keys()].filter((id) => id.startsWith("s#q#"))).toHaveLength(2);
    expect(beside(items, "receipts")).toEqual(["000000000001#000000000001"]);
  });

  it("has a group's rows on their way before it takes the next group's message apart", async () => {
    const events: string[] = [];
    const { recorder } = setUp((keys) => {
      if (keys.some((key) => key.startsWith("s#q#"))) events.push("write");
    });
    const told = (messageId: string, sequence: number) => {
      const { body, ...rest } = message(messageId, messageId, sequence, sequence, [execution(sequence)]);
      return {
        ...rest,
        get body() {
          events.push("parse");
          return body;
        },
      };
    };
    await recorder.record([told("a", 1)], running);
    events.length = 0;
    await recorder.record([told("b", 2), told("c", 3)], running);
    expect(events).toEqual(["parse", "write", "parse", "write"]);
  });

  it("sends a poison row to the dead letters, buries it, and receipts only what is around it", async () => {
    const { recorder, items, letters } = setUp();
    const rows = [execution(1), { ...execution(2), tick: "late" }, execution(3)];
    expect(await recorder.record([message("a", "g", 1, 3, rows)], running)).toMatchObject({
      failed: [],
      deadLetters: 1,
    });
    expect(beside(items, "receipts")).toEqual(["000000000001#000000000001", "000000000003#000000000003"]);
    expect(beside(items, "tombstones")).toEqual(["000000000002"]);
    expect(letters).toEqual([
      {
        body: JSON.stringify(rows[1]),
        reason: expect.stringContaining("tick: "),
        origin: { messageId: "a", serverId: "s", incarnation: "i", sequence: 2 },
        failedAt: 1_000_000,
      },
    ]);
  });

  it("treats a row that the table refuses in the same way", async () => {
    const { recorder, items, letters } = setUp((ids) => {
      if (ids.some((id) => id.includes("#i#000000000002#"))) {
        throw Object.assign(new Error("Item size has exceeded"), { name: "ValidationException" });
      }
    });
    await recorder.record([message("a", "g", 1, 3, [execution(1), execution(2), execution(3)])], running);
    expect(beside(items, "tombstones")).toEqual(["000000000002"]);
    expect(beside(items, "receipts")).toHaveLength(2);
    expect(letters).toMatchObject([{ reason: "the table refused it: Item size has exceeded" }]);
  });

  it("sends a message that is not ours whole, and goes on", async () => {
    const { recorder, letters } = setUp();
    const foreign = { messageId: "a", group: "g", body: "hello" };
    const result = await recorder.record([foreign, message("b", "g", 1, 1, [execution(1)])], running);
    expect(result).toMatchObject({ failed: [], rows: 1, deadLetters: 1, batches: [{ messageId: "b" }] });
    expect(letters).toMatchObject([{ body: "hello", origin: { messageId: "a" } }]);
  });

  it("leaves to the queue the message that the store refused and those behind it, and no other group's", async () => {
    const { recorder, items } = setUp((ids) => {
      if (ids.some((id) => id.includes("#i#000000000002#"))) throw new Error("the store is down");
    });
    const messages = [
      message("a", "g", 1, 1, [execution(1)]),
      message("b", "g", 2, 2, [execution(2)]),
      message("c", "g", 3, 3, [execution(3)]),
      message("d", "h", 4, 4, [execution(4)]),
    ];
    expect(await recorder.record(messages, running)).toMatchObject({ failed: ["b", "c"], rows: 2 });
    expect(beside(items, "receipts")).toEqual(["000000000001#000000000001", "000000000004#000000000004"]);
  });

  it("gives no receipt when the dead-letter queue is away", async () => {
    const { recorder, items } = setUp(undefined, async () => {
      throw new Error("the queue is away");
    });
    const messages = [message("a", "g", 1, 2, [execution(1), 17])];
    expect(await recorder.record(messages, running)).toMatchObject({ failed: ["a"] });
    expect(beside(items, "receipts")).toEqual([]);
    expect([...items.keys()]).toHaveLength(1);
  });
});
