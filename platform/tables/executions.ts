/** Table `executions`: one item per execution, and beside them receipts, tombstones and gaps per incarnation. */
import { createHash } from "node:crypto";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { type ExecutionRow, executionRow, type GapRow, gapRow, identifier, type OutboxRow } from "../wire.ts";
import { expiresAt, hourOf, hoursBetween, padSequence, padTime } from "./keys.ts";
import { parseItem, parseItems, queryRange, scan, type UnreadableItem } from "./query.ts";

/** A receipt covers at most this many sequence numbers: readers look no further back than that for one that overlaps. */
export const receiptSpan = 1_000;
/** The largest that its keys can hold. */
const maxSequence = 999_999_999_999;

const keys = { key: z.string(), at: z.string(), format: z.literal(1), expiresAt: z.int() };

export const executionItemSchema = executionRow.omit({ type: true }).extend({ ...keys, incarnation: identifier });
export type ExecutionItem = z.infer<typeof executionItemSchema>;

export const receiptItemSchema = z.object({ ...keys, first: z.int(), last: z.int(), recordedAt: z.int() });
export type ReceiptItem = z.infer<typeof receiptItemSchema>;

export const tombstoneItemSchema = z.object({ ...keys, sequence: z.int(), reason: z.string(), buriedAt: z.int() });
export type TombstoneItem = z.infer<typeof tombstoneItemSchema>;

export const gapItemSchema = gapRow.omit({ type: true }).extend({ ...keys, incarnation: identifier });
export type GapItem = z.infer<typeof gapItemSchema>;

/**
 * The execution as a table item. Key and hash come from the row alone: the same row twice is the same item, another
 * row under the same sequence number stands beside it. `ttlSeconds` counts from the execution.
 */
export function executionItem(
  serverId: string,
  incarnation: string,
  row: ExecutionRow,
  ttlSeconds: number,
): ExecutionItem {
  const { type: _, ...fields } = row;
  return {
    key: `${serverId}#${row.queryId}#${hourOf(row.executedAt)}`,
    at: `${padTime(row.executedAt)}#${incarnation}#${padSequence(row.sequence)}#${rowHash(row)}`,
    format: 1,
    incarnation,
    ...fields,
    expiresAt: expiresAt(row.executedAt, ttlSeconds),
  };
}

/** Says that `first..last` of an incarnation are all in their tables. At most `receiptSpan` long. */
export function receiptItem(
  serverId: string,
  incarnation: string,
  range: { readonly first: number; readonly last: number },
  recordedAt: number,
  ttlSeconds: number,
): ReceiptItem {
  if (range.last - range.first >= receiptSpan) {
    throw new RangeError(`a receipt covers at most ${receiptSpan} sequence numbers, not ${range.first}..${range.last}`);
  }
  return {
    key: `${serverId}#${incarnation}#receipts`,
    at: `${padSequence(range.first)}#${padSequence(range.last)}`,
    format: 1,
    ...range,
    recordedAt,
    expiresAt: expiresAt(recordedAt, ttlSeconds),
  };
}

/** Stands where a row could not be recorded: what was sent lies in the dead-letter queue. */
export function tombstoneItem(
  serverId: string,
  incarnation: string,
  sequence: number,
  reason: string,
  buriedAt: number,
  ttlSeconds: number,
): TombstoneItem {
  return {
    key: `${serverId}#${incarnation}#tombstones`,
    at: padSequence(sequence),
    format: 1,
    sequence,
    reason: reason.slice(0, 1_000),
    buriedAt,
    expiresAt: expiresAt(buriedAt, ttlSeconds),
  };
}

/** A time in which a tap was blind. */
export function gapItem(serverId: string, incarnation: string, row: GapRow, ttlSeconds: number): GapItem {
  const { type: _, ...fields } = row;
  return {
    key: `${serverId}#${incarnation}#gaps`,
    at: `${padSequence(row.sequence)}#${rowHash(row)}`,
    format: 1,
    incarnation,
    ...fields,
    expiresAt: expiresAt(row.to, ttlSeconds),
  };
}

/** First 12 hex digits of the SHA-256 of the row's JSON with sorted keys. */
export function rowHash(row: OutboxRow): string {
  return createHash("sha256").update(canonicalJson(row)).digest("hex").slice(0, 12);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function keyOf(item: Readonly<Record<string, unknown>>): string {
  return `${item.key} ${item.at}`;
}

/** Receipts that overlap `fromSequence..toSequence`, by their first number. Strongly consistent. */
export async function readReceipts(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  fromSequence: number,
  toSequence = maxSequence,
): Promise<{ first: number; last: number }[]> {
  const receipts: { first: number; last: number }[] = [];
  const items = queryRange(document, {
    table,
    partition: ["key", `${serverId}#${incarnation}#receipts`],
    sort: [
      "at",
      padSequence(Math.max(0, fromSequence - receiptSpan)),
      `${padSequence(Math.min(toSequence, maxSequence))}~`,
    ],
    consistent: true,
  });
  for await (const item of items) {
    const { first, last } = parseItem(receiptItemSchema, item, table, keyOf(item));
    if (last >= fromSequence) receipts.push({ first, last });
  }
  return receipts;
}

/** Tombstones from `fromSequence` on, in order. Strongly consistent. */
export async function readTombstones(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  fromSequence = 0,
): Promise<TombstoneItem[]> {
  const tombstones: TombstoneItem[] = [];
  const items = queryRange(document, {
    table,
    partition: ["key", `${serverId}#${incarnation}#tombstones`],
    sort: ["at", padSequence(fromSequence), "~"],
    consistent: true,
  });
  for await (const item of items) tombstones.push(parseItem(tombstoneItemSchema, item, table, keyOf(item)));
  return tombstones;
}

/** All gaps of an incarnation, in order. */
export async function readGaps(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
): Promise<GapItem[]> {
  const gaps: GapItem[] = [];
  const items = queryRange(document, {
    table,
    partition: ["key", `${serverId}#${incarnation}#gaps`],
    consistent: true,
  });
  for await (const item of items) gaps.push(parseItem(gapItemSchema, item, table, keyOf(item)));
  return gaps;
}

/** What a query executed between two Unix times in ms (inclusive), oldest first. */
export async function readExecutions(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  queryId: string,
  fromMs: number,
  toMs: number,
): Promise<{ executions: ExecutionItem[]; unreadable: UnreadableItem[] }> {
  const items: Record<string, unknown>[] = [];
  for (const hour of hoursBetween(fromMs, toMs)) {
    const partition = queryRange(document, {
      table,
      partition: ["key", `${serverId}#${queryId}#${hour}`],
      sort: ["at", padTime(fromMs), `${padTime(toMs)}~`],
    });
    for await (const item of partition) items.push(item);
  }
  const { read, unreadable } = parseItems(executionItemSchema, items, table, keyOf);
  return { executions: read, unreadable };
}

/** Every execution recorded of a server: a scan of the whole table, for audits. */
export async function* scanExecutions(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
): AsyncGenerator<ExecutionItem> {
  for await (const item of scan(document, table)) {
    const key = String(item.key);
    if (key.startsWith(`${serverId}#`) && "executionId" in item)
      yield parseItem(executionItemSchema, item, table, keyOf(item));
  }
}
