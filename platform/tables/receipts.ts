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
/** The largest that its keys can hold. */
const maxSequence = 999_999_999_999;

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
    key: partitionOf(serverId, incarnation),
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

function partitionOf(serverId: string, incarnation: string): string {
  return `${serverId}#${incarnation}#receipts`;
}

/** One table's receipts that overlap `fromSequence..toSequence`, by their first number. Strongly consistent. */
export async function* readReceiptItems(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  fromSequence = 0,
  toSequence = maxSequence,
): AsyncGenerator<ReceiptItem> {
  const items = queryRange(document, {
    table,
    partition: ["key", partitionOf(serverId, incarnation)],
    sort: [
      "at",
      padSequence(Math.max(0, fromSequence - receiptSpan)),
      `${padSequence(Math.min(toSequence, maxSequence))}~`,
    ],
    consistent: true,
  });
  for await (const item of items) {
    const receipt = parseItem(receiptItemSchema, item, table, `${item.key} ${item.at}`);
    if (receipt.last >= fromSequence) yield receipt;
  }
}

/** What is recorded of `fromSequence..toSequence`, and what adjoins it: rows whose receipts stand in every table. */
export async function readReceipts(
  document: DynamoDBDocumentClient,
  tables: ReceiptTables,
  serverId: string,
  incarnation: string,
  fromSequence: number,
  toSequence = maxSequence,
): Promise<Range[]> {
  const read = (table: string) =>
    Array.fromAsync(readReceiptItems(document, table, serverId, incarnation, fromSequence, toSequence));
  const [receipts, twins] = await Promise.all([read(tables.executions), read(tables.windows)]);
  const inBoth = new RangeSet(twins);
  return receipts.flatMap((receipt) =>
    receipt.twin ? inBoth.within(receipt) : [{ first: receipt.first, last: receipt.last }],
  );
}
