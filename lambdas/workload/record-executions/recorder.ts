/** Writes what messages carry to the tables. Every write is by a key derived from the row: a repeat changes nothing. */
import { setImmediate } from "node:timers/promises";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { type BatchWriteOptions, batchWrite, type Write } from "../../../platform/tables/batch-write.ts";
import { executionItem, gapItem, type TombstoneItem, tombstoneItem } from "../../../platform/tables/executions.ts";
import { expiresAt } from "../../../platform/tables/keys.ts";
import { partitionEnd, type ReceiptItem, receiptItem, receiptSpan } from "../../../platform/tables/receipts.ts";
import { noteIncarnation } from "../../../platform/tables/servers.ts";
import { windowItem } from "../../../platform/tables/windows.ts";
import type { BatchEnvelope, OutboxRow } from "../../../platform/wire.ts";
import { timeToLiveSeconds } from "../constants.ts";
import type { DeadLetters } from "./dead-letters.ts";
import { type PoisonRow, parseMessage } from "./parse-message.ts";
import { contiguousRanges } from "./ranges.ts";

export interface QueueMessage {
  readonly messageId: string;
  readonly group: string;
  readonly body: string;
}

export interface RecorderOptions extends Pick<BatchWriteOptions, "sleep" | "random"> {
  readonly document: DynamoDBDocumentClient;
  readonly tables: { readonly executions: string; readonly windows: string; readonly servers: string };
  readonly deadLetters: DeadLetters;
  /** Unix ms. */
  readonly now: () => number;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** What a message held: by incarnation and sequence number, a row of the table leads back to it. */
export interface RecordedBatch {
  readonly messageId: string;
  readonly serverId: string;
  readonly incarnation: string;
  readonly first: number;
  readonly last: number;
}

export interface Recorded {
  readonly batches: readonly RecordedBatch[];
  /** Unix ms at which the oldest row ran; undefined when there was none. */
  readonly oldestAt: number | undefined;
  /** Ids of the messages to deliver again: one that the store refused, and those after it in its group. */
  readonly failed: string[];
  readonly rows: number;
  readonly deadLetters: number;
}

interface RowWrite extends Write {
  readonly row: OutboxRow;
}

export interface Recorder {
  record(messages: readonly QueueMessage[], signal: AbortSignal): Promise<Recorded>;
}

export function createRecorder(options: RecorderOptions): Recorder {
  const { document, tables, deadLetters, now, warn } = options;
  const noted = new Map<string, number>();

  /** Before their receipts are written, it is noted up to where an audit has to look for some: once for each partition of them. */
  async function note({ serverId, incarnation, last }: BatchEnvelope): Promise<void> {
    const through = partitionEnd(last);
    const id = `${serverId}#${incarnation}`;
    if (through <= (noted.get(id) ?? 0)) return;
    await noteIncarnation(document, tables.servers, serverId, { incarnation, firstSeenAt: now(), through });
    noted.set(id, through);
  }

  async function recordRows(envelope: BatchEnvelope, rows: readonly OutboxRow[], signal: AbortSignal) {
    const writes = rows.map((row) => rowWrite(tables, envelope, row));
    const refused = await batchWrite(document, writes, { ...options, signal });
    return refused.map(({ write, reason }): PoisonRow => {
      return { row: write.row, reason: `the table refused it: ${reason}`, sequence: write.row.sequence };
    });
  }

  async function recordMessage(message: QueueMessage, signal: AbortSignal) {
    const parsed = parseMessage(message.body);
    const { messageId } = message;
    if (parsed.type === "foreign") {
      warn("message sent to the dead-letter queue", { messageId, reason: parsed.reason });
      await deadLetters({ ...parsed, body: message.body, origin: { messageId }, failedAt: now() }, signal);
      return { rows: 0, deadLetters: 1, oldestAt: Number.POSITIVE_INFINITY };
    }
    const { envelope } = parsed;
    const { serverId, incarnation } = envelope;
    await note(envelope);
    const poison = [...parsed.poison, ...(await recordRows(envelope, parsed.rows, signal))];
    for (const { row, reason, sequence } of poison) {
      const origin = { messageId, serverId, incarnation, ...(sequence === undefined ? {} : { sequence }) };
      warn("row sent to the dead-letter queue", { ...origin, reason });
      await deadLetters({ body: JSON.stringify(row), reason, origin, failedAt: now() }, signal);
    }
    await acknowledge(envelope, parsed.rows, poison, signal);
    const { first, last } = envelope;
    const oldestAt = Math.min(...parsed.rows.map(ranAt));
    const batch = { messageId, serverId, incarnation, first, last };
    return { rows: envelope.rows.length - poison.length, deadLetters: poison.length, batch, oldestAt };
  }

  /** Receipts for what is in the tables, tombstones for what is in the dead-letter queue: only once both are there. */
  async function acknowledge(
    { serverId, incarnation }: BatchEnvelope,
    rows: readonly OutboxRow[],
    poison: readonly PoisonRow[],
    signal: AbortSignal,
  ): Promise<void> {
    const buried = new Map(
      poison.flatMap(({ sequence, reason }) => (sequence === undefined ? [] : [[sequence, reason]])),
    );
    const recorded = rows.map(({ sequence }) => sequence).filter((sequence) => !buried.has(sequence));
    const ttl = timeToLiveSeconds.receipts;
    const put = (table: string, item: ReceiptItem | TombstoneItem) => ({
      table,
      identity: `${item.key} ${item.at}`,
      item,
    });
    const writes = [...buried].map(([sequence, reason]) =>
      put(tables.executions, tombstoneItem(serverId, incarnation, sequence, reason, now(), ttl)),
    );
    const expiry = Math.min(...rows.map(rowExpiresAt));
    for (const range of contiguousRanges(recorded, receiptSpan)) {
      const receipt = receiptItem(serverId, incarnation, range, now(), ttl, expiry);
      // One in each table: whichever is lost or restored, its receipts go with its rows.
      writes.push(put(tables.executions, receipt), put(tables.windows, receipt));
    }
    const [refused] = await batchWrite(document, writes, { ...options, signal });
    if (refused) throw new Error(`the table refused a receipt: ${refused.reason}`);
  }

  return {
    async record(messages, signal) {
      const result = { failed: [] as string[], rows: 0, deadLetters: 0, batches: [] as RecordedBatch[] };
      const ranAt: number[] = [];
      const groups = Map.groupBy(messages, ({ group }) => group);
      const recordGroup = async (group: readonly QueueMessage[]): Promise<void> => {
        for (const [index, message] of group.entries()) {
          try {
            const done = await recordMessage(message, signal);
            result.rows += done.rows;
            result.deadLetters += done.deadLetters;
            if (done.batch) result.batches.push(done.batch);
            ranAt.push(done.oldestAt);
          } catch (error) {
            warn("message left to the queue to deliver again", { messageId: message.messageId, error });
            result.failed.push(...group.slice(index).map(({ messageId }) => messageId));
            return;
          }
        }
      };
      const running: Promise<void>[] = [];
      for (const group of groups.values()) {
        running.push(recordGroup(group));
        // Its first rows are on their way to the table while the next group's message is taken apart.
        await setImmediate();
      }
      await Promise.all(running);
      const oldestAt = Math.min(...ranAt);
      return { ...result, oldestAt: Number.isFinite(oldestAt) ? oldestAt : undefined };
    },
  };
}

/** Epoch seconds. */
function rowExpiresAt(row: OutboxRow): number {
  switch (row.type) {
    case "execution":
      return expiresAt(row.executedAt, timeToLiveSeconds.executions);
    case "window":
      return expiresAt(row.endedAt, timeToLiveSeconds.windows);
    case "gap":
      return expiresAt(row.to, timeToLiveSeconds.receipts);
  }
}

/** Unix ms. */
function ranAt(row: OutboxRow): number {
  switch (row.type) {
    case "execution":
      return row.executedAt;
    case "window":
      return row.endedAt;
    case "gap":
      return row.to;
  }
}

function rowWrite(
  tables: RecorderOptions["tables"],
  { serverId, incarnation }: BatchEnvelope,
  row: OutboxRow,
): RowWrite {
  switch (row.type) {
    case "execution": {
      const item = executionItem(serverId, incarnation, row, timeToLiveSeconds.executions);
      return { row, table: tables.executions, identity: `${item.key} ${item.at}`, item };
    }
    case "window": {
      const item = windowItem(serverId, incarnation, row, timeToLiveSeconds.windows);
      return { row, table: tables.windows, identity: `${item.key} ${item.at}`, item };
    }
    case "gap": {
      const item = gapItem(serverId, incarnation, row, timeToLiveSeconds.receipts);
      return { row, table: tables.executions, identity: `${item.key} ${item.at}`, item };
    }
  }
}
