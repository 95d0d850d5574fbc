/**
 * Receipts: which sequence numbers of an incarnation are recorded. One stands in each table that rows are written to, so
 * that a table that is lost or restored takes with it what says that its rows are there. Why: docs/adr/0720.
 */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { type Range, RangeSet } from "../range-set.ts";
import { expiresAt, padSequence } from "./keys.ts";
import { parseItem, queryRange } from "./query.ts";

/** A receipt covers at most this many sequence numbers: readers look no further back than that for one that overlaps. */
export const receiptSpan = 1_000;
/** Sequence numbers whose receipts share a partition. Why: docs/adr/0727. */
const partitionSpan = 20_000;
/** Partitions of a table that are read at once. */
const readsAtOnce = 16;
/**
 * Where so many sequence numbers on end have no receipt, none follow that an outbox of today could have: of what was sent, all
 * but `window` messages of `receiptSpan` numbers are recorded (`packer.ts`).
 */
export const receiptReach = 10 * partitionSpan;

export const receiptItemSchema = z.object({
  key: z.string(),
  at: z.string(),
  format: z.literal(1),
  first: z.int(),
  last: z.int(),
  /** Unix ms. */
  recordedAt: z.int(),
  /** Epoch seconds at which the first of its rows may go; absent in receipts of earlier versions. */
  rowsExpireAt: z.int().optional(),
  /** Whether table `resource-windows` has the same receipt; one without counts by itself, as those of earlier versions. */
  twin: z.boolean().default(false),
  expiresAt: z.int(),
});
export type ReceiptItem = z.infer<typeof receiptItemSchema>;

/** The tables that hold rows, and so receipts. */
export interface ReceiptTables {
  readonly executions: string;
  readonly windows: string;
}

/**
 * Says that `first..last` of an incarnation are all in their tables; to be written to both. At most `receiptSpan` long.
 * @param rowsExpireAt epoch seconds, of the row that goes first
 */
export function receiptItem(
  serverId: string,
  incarnation: string,
  range: Range,
  recordedAt: number,
  ttlSeconds: number,
  rowsExpireAt: number,
): ReceiptItem {
  if (range.last - range.first >= receiptSpan) {
    throw new RangeError(`a receipt covers at most ${receiptSpan} sequence numbers, not ${range.first}..${range.last}`);
  }
  return {
    key: partitionOf(serverId, incarnation, spanOf(range.first)),
    at: `${padSequence(range.first)}#${padSequence(range.last)}`,
    format: 1,
    first: range.first,
    last: range.last,
    recordedAt,
    rowsExpireAt,
    twin: true,
    expiresAt: expiresAt(recordedAt, ttlSeconds),
  };
}

/** The last sequence number of those whose receipts share a partition with the receipt that begins at `sequence`. */
export function partitionEnd(sequence: number): number {
  return (spanOf(sequence) + 1) * partitionSpan - 1;
}

function spanOf(sequence: number): number {
  return Math.floor(sequence / partitionSpan);
}

function partitionOf(serverId: string, incarnation: string, span: number | "earlier"): string {
  return `${serverId}#${incarnation}${span === "earlier" ? "" : `#${span}`}#receipts`;
}

/**
 * One table's receipts that overlap `range`, by their first number. Strongly consistent.
 * @param earlier also those of earlier versions, which wrote all of an incarnation to one partition: from `range.first` on, all
 * of them, and first
 */
export async function* readReceiptItems(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  { first, last }: Range,
  { earlier = false } = {},
): AsyncGenerator<ReceiptItem> {
  const from = Math.max(0, first - receiptSpan);
  const spans: (number | "earlier")[] = earlier ? ["earlier"] : [];
  for (let span = spanOf(from); span <= spanOf(last); span++) spans.push(span);
  const read = (span: number | "earlier") =>
    Array.fromAsync(
      queryRange(document, {
        table,
        partition: ["key", partitionOf(serverId, incarnation, span)],
        sort: ["at", padSequence(from), span === "earlier" ? "~" : `${padSequence(last)}~`],
        consistent: true,
      }),
    );
  for (let index = 0; index < spans.length; index += readsAtOnce) {
    const pages = await Promise.all(spans.slice(index, index + readsAtOnce).map(read));
    for (const item of pages.flat()) {
      const receipt = parseItem(receiptItemSchema, item, table, `${item.key} ${item.at}`);
      if (receipt.last >= first) yield receipt;
    }
  }
}

/** What is recorded of `range`, and what adjoins it: rows whose receipts stand in every table. */
export async function readReceipts(
  document: DynamoDBDocumentClient,
  tables: ReceiptTables,
  serverId: string,
  incarnation: string,
  range: Range,
): Promise<Range[]> {
  const read = (table: string) => Array.fromAsync(readReceiptItems(document, table, serverId, incarnation, range));
  const [receipts, twins] = await Promise.all([read(tables.executions), read(tables.windows)]);
  const inBoth = new RangeSet(twins);
  return receipts.flatMap((receipt) =>
    receipt.twin ? inBoth.within(receipt) : [{ first: receipt.first, last: receipt.last }],
  );
}
