import type { SendMessageBatchCommand, SendMessageBatchCommandOutput } from "@aws-sdk/client-sqs";
import { type Range, RangeSet } from "../../platform/range-set.ts";
import { batchEnvelope, type OutboxRow, outboxRow } from "../../platform/wire.ts";
import type { FakeClock } from "./clock.ts";

interface Message {
  readonly group: string;
  readonly body: string;
}

/** What the tables hold of one incarnation. */
interface Recorded {
  readonly rows: Map<number, string>;
  readonly receipts: Range[];
  readonly tombstones: Set<number>;
}

const dedupWindowMs = 300_000;

/**
 * Queue, recorder and tables in memory, with their faults at hand. FIFO as SQS has it: a message whose dedup id was seen
 * within five minutes is accepted and dropped; a blocked group delivers nothing.
 */
export class FaultyCloud {
  /** What sending does: works, fails, or works and says that it failed. */
  sending: "works" | "fails" | "works unseen" = "works";
  reading: "works" | "fails" = "works";
  readonly blockedGroups = new Set<string>();
  /** Rows written twice with other content: must stay empty. */
  readonly conflicts: string[] = [];
  messages: Message[] = [];
  #tables = new Map<string, Recorded>();
  readonly #seenIds = new Map<string, number>();
  readonly #poison = new Set<number>();
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  readonly sqs = {
    send: async ({ input }: SendMessageBatchCommand): Promise<SendMessageBatchCommandOutput> => {
      if (this.sending === "fails") throw new Error("the queue is away");
      for (const { MessageGroupId, MessageDeduplicationId, MessageBody } of input.Entries ?? []) {
        const id = MessageDeduplicationId ?? "";
        if (this.#clock.monotonic() - (this.#seenIds.get(id) ?? Number.NEGATIVE_INFINITY) < dedupWindowMs) continue;
        this.#seenIds.set(id, this.#clock.monotonic());
        this.messages.push({ group: MessageGroupId ?? "", body: MessageBody ?? "" });
      }
      if (this.sending === "works unseen") throw new Error("no answer in time");
      return { $metadata: {}, Successful: [], Failed: [] };
    },
  };

  readonly readReceipts = async (incarnation: string, from: number, to: number): Promise<readonly Range[]> => {
    if (this.reading === "fails") throw new Error("the table is away");
    return this.#of(incarnation).receipts.filter(({ first, last }) => last >= from && first <= to);
  };

  readonly readTombstones = async (incarnation: string): Promise<readonly { sequence: number }[]> => {
    if (this.reading === "fails") throw new Error("the table is away");
    return Array.from(this.#of(incarnation).tombstones, (sequence) => ({ sequence }));
  };

  /** The recorder takes message `index` (modulo what is deliverable), and the queue deletes it unless `again`. */
  deliver(index: number, again = false): void {
    const deliverable = this.messages.filter(({ group }) => !this.blockedGroups.has(group));
    const message = deliverable[index % Math.max(1, deliverable.length)];
    if (!message) return;
    if (!again) this.messages = this.messages.filter((other) => other !== message);
    this.#record(message);
  }

  deliverAll(): void {
    while (this.messages.some(({ group }) => !this.blockedGroups.has(group))) this.deliver(0);
  }

  /** The queue loses a message. */
  drop(index: number): void {
    if (this.messages.length > 0) this.messages.splice(index % this.messages.length, 1);
  }

  /** Rows whose `tick` is in the set cannot be recorded until `pardon`: they go to the dead-letter queue. */
  poison(tick: number): void {
    this.#poison.add(tick);
  }

  /** The cause is mended, and every dead letter is redriven: written, with its receipt, its tombstone gone. */
  pardon(): void {
    this.#poison.clear();
    for (const recorded of this.#tables.values()) recorded.tombstones.clear();
  }

  snapshot(): () => void {
    const copy = new Map(
      Array.from(this.#tables, ([incarnation, { rows, receipts, tombstones }]) => [
        incarnation,
        { rows: new Map(rows), receipts: [...receipts], tombstones: new Set(tombstones) },
      ]),
    );
    return () => {
      this.#tables = copy;
    };
  }

  loseTables(): void {
    this.#tables = new Map();
  }

  /** Rows in the tables by `incarnation sequence`. */
  recorded(): Map<string, string> {
    return new Map(
      Array.from(this.#tables, ([incarnation, { rows }]) =>
        Array.from(rows, ([sequence, row]) => [`${incarnation} ${sequence}`, row] as const),
      ).flat(),
    );
  }

  #of(incarnation: string): Recorded {
    const known = this.#tables.get(incarnation);
    if (known) return known;
    const fresh: Recorded = { rows: new Map(), receipts: [], tombstones: new Set() };
    this.#tables.set(incarnation, fresh);
    return fresh;
  }

  #record({ body }: Message): void {
    const envelope = batchEnvelope.parse(JSON.parse(body));
    const { rows, receipts, tombstones } = this.#of(envelope.incarnation);
    const written = new RangeSet();
    for (const row of envelope.rows.map((value): OutboxRow => outboxRow.parse(value))) {
      if (row.type === "execution" && this.#poison.has(row.tick)) {
        tombstones.add(row.sequence);
        continue;
      }
      const { sequence, ...content } = row;
      const text = JSON.stringify(content);
      const before = rows.get(sequence);
      if (before !== undefined && before !== text) this.conflicts.push(`${envelope.incarnation} ${sequence}`);
      rows.set(sequence, text);
      written.add({ first: sequence, last: sequence });
    }
    receipts.push(...written.ranges);
  }
}
