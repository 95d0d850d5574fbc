import type { SendMessageBatchCommand, SendMessageBatchCommandOutput } from "@aws-sdk/client-sqs";
import { z } from "zod";
import { createRecorder, type Recorder } from "../../lambdas/workload/record-executions/recorder.ts";
import type { Range } from "../../platform/range-set.ts";
import { placeOf } from "../../platform/tables/executions.ts";
import type { FakeClock } from "./clock.ts";
import { documentAnsweredBy } from "./document.ts";

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

const puts = z.object({
  RequestItems: z.record(
    z.string(),
    z.array(z.object({ PutRequest: z.object({ Item: z.looseObject({ key: z.string(), at: z.string() }) }) })),
  ),
});
const storedExecution = z.object({
  epoch: z.string(),
  executionId: z.string(),
  queryId: z.string(),
  arrivedAt: z.string().transform(Date.parse),
  executedAt: z.string().transform(Date.parse),
  tick: z.number(),
  delayTicks: z.number(),
});
const storedRange = z.object({ first: z.number(), last: z.number() });

/**
 * Queue and tables in memory, with their faults at hand, and the real recorder between them. FIFO as SQS has it: a message whose dedup id was seen
 * within five minutes is accepted and dropped; a blocked group delivers nothing.
 */
export class FaultyCloud {
  /** What sending does: works, fails, or works and says that it failed. */
  sending: "works" | "fails" | "works unseen" = "works";
  reading: "works" | "fails" = "works";
  /** Writes that succeed before one fails; of that one nothing is done, or all of it though it seems to fail. */
  failingWrite: { after: number; seemsOnly: boolean } | undefined;
  /** Planted: a failed write is taken for done. */
  believesFailedWrites = false;
  readonly blockedGroups = new Set<string>();
  /** Rows written twice with other content: must stay empty. */
  readonly conflicts: string[] = [];
  messages: Message[] = [];
  #tables = new Map<string, Recorded>();
  readonly #seenIds = new Map<string, number>();
  readonly #poison = new Set<number>();
  readonly #clock: FakeClock;

  readonly #recorder: Recorder;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.#recorder = createRecorder({
      document: documentAnsweredBy((command, input) => (command.startsWith("BatchWrite") ? this.#write(input) : {})),
      tables: { executions: "executions", windows: "windows", servers: "servers" },
      deadLetters: async () => {},
      now: () => clock.now(),
      sleep: async () => {},
      random: () => 0.5,
      warn: () => {},
    });
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

  readonly readReceipts = async (incarnation: string, range: Range): Promise<readonly Range[]> => {
    if (this.reading === "fails") throw new Error("the table is away");
    return this.#of(incarnation).receipts.filter(({ first, last }) => last >= range.first && first <= range.last);
  };

  readonly readTombstones = async (incarnation: string): Promise<readonly { sequence: number }[]> => {
    if (this.reading === "fails") throw new Error("the table is away");
    return Array.from(this.#of(incarnation).tombstones, (sequence) => ({ sequence }));
  };

  /** The recorder takes message `index` (modulo what is deliverable); once it succeeds, the queue deletes it unless `again`. */
  async deliver(index: number, again = false): Promise<void> {
    const deliverable = this.messages.filter(({ group }) => !this.blockedGroups.has(group));
    const message = deliverable[index % Math.max(1, deliverable.length)];
    if (!message) return;
    const { failed } = await this.#recorder.record([{ messageId: "m", ...message }], new AbortController().signal);
    if (!again && failed.length === 0) this.messages = this.messages.filter((other) => other !== message);
  }

  async deliverAll(): Promise<void> {
    while (this.messages.some(({ group }) => !this.blockedGroups.has(group))) await this.deliver(0);
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

  #write(input: Readonly<Record<string, unknown>>): object {
    const items = Object.values(puts.parse(input).RequestItems).flatMap((group) =>
      group.map(({ PutRequest }) => PutRequest.Item),
    );
    const poisoned = ({ tick }: Record<string, unknown>) => typeof tick === "number" && this.#poison.has(tick);
    if (items.some(poisoned)) throw Object.assign(new Error("too large"), { name: "ValidationException" });
    const failing = this.failingWrite?.after === 0 ? this.failingWrite : undefined;
    if (this.failingWrite) this.failingWrite.after--;
    if (failing) this.failingWrite = undefined;
    if (!failing || failing.seemsOnly) for (const item of items) this.#put(item);
    if (failing && !this.believesFailedWrites) throw new Error("the table does not answer");
    return {};
  }

  #put(item: { readonly key: string; readonly at: string }): void {
    const place = placeOf(item);
    if (!place) {
      const [, incarnation = "", ...kind] = item.key.split("#");
      const recorded = this.#of(incarnation);
      if (kind.at(-1) === "receipts") recorded.receipts.push(storedRange.parse(item));
      else recorded.tombstones.add(Number(item.at));
      return;
    }
    const text = JSON.stringify({ type: "execution", ...storedExecution.parse(item) });
    const { rows } = this.#of(place.incarnation);
    const before = rows.get(place.sequence);
    if (before !== undefined && before !== text) this.conflicts.push(`${place.incarnation} ${place.sequence}`);
    rows.set(place.sequence, text);
  }
}
