/** Table `executions`: one item per execution, and beside them tombstones, gaps and receipts (receipts.ts) per incarnation. */
import { hash } from "node:crypto";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { type ExecutionRow, executionRow, type GapRow, gapRow, identifier, type OutboxRow } from "../wire.ts";
import { expiresAt, hourOf, hoursBetween, padSequence, padTime } from "./keys.ts";
import { parseItem, parseItems, queryRange, scan, type UnreadableItem } from "./query.ts";

const keys = { key: z.string(), at: z.string(), format: z.literal(1), expiresAt: z.int() };

/**
 * An execution as stored. Its number and its outbox stand in `at` alone and times are texts, since an emulator spends as
 * long on a number as on ten texts: docs/adr/0710.
 */
export type StoredExecution = {
  readonly key: string;
  readonly at: string;
  readonly format: typeof executionFormat;
  readonly executionId: string;
  readonly queryId: string;
  readonly arrivedAt: string;
  readonly executedAt: string;
  readonly delayTicks: number;
  readonly epoch: string;
  readonly tick: number;
  readonly durationMs?: number;
  readonly expiresAt: number;
};
const executionFormat = "execution/2";

/** An execution as read, whatever the format it was stored in. Times in Unix ms. */
const { type: _, ...executionFields } = executionRow.shape;
const executionItemFields = z.object({ ...executionFields, key: z.string(), at: z.string(), incarnation: identifier });
export type ExecutionItem = z.infer<typeof executionItemFields>;

const time = z.iso.datetime({ precision: 3 }).transform((text) => Date.parse(text));
export const executionItemSchema = z
  .discriminatedUnion(
    "format",
    [
      executionItemFields.extend({ format: z.literal(1) }),
      executionItemFields
        .omit({ sequence: true, incarnation: true })
        .extend({ format: z.literal(executionFormat), arrivedAt: time, executedAt: time })
        .transform((item, context) => {
          const place = placeOf(item);
          if (place) return { ...item, ...place };
          context.addIssue({ code: "custom", path: ["at"], message: "not a time, an outbox, a number and a hash" });
          return z.NEVER;
        }),
    ],
    { error: `only 1 and ${executionFormat} are known` },
  )
  .transform(({ format: _, ...execution }): ExecutionItem => execution);

export const tombstoneItemSchema = z.object({
  ...keys,
  sequence: z.int(),
  reason: z.string(),
  buriedAt: z.int(),
  /** A person has given the row up. */
  discarded: z.object({ why: z.string(), at: z.int() }).optional(),
});
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
): StoredExecution {
  const { executionId, queryId, arrivedAt, executedAt, delayTicks, epoch, tick, durationMs } = row;
  const executed = new Date(executedAt).toISOString();
  return {
    key: `${serverId}#${queryId}#${hourOf(executedAt)}`,
    at: `${padTime(executedAt)}#${incarnation}#${padSequence(row.sequence)}#${rowHash(row)}`,
    format: executionFormat,
    executionId,
    queryId,
    arrivedAt: new Date(arrivedAt).toISOString(),
    executedAt: executed,
    delayTicks,
    epoch,
    tick,
    ...(durationMs !== undefined && { durationMs }),
    expiresAt: expiresAt(executedAt, ttlSeconds),
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

/** Which row of which outbox an item of `executions` or `resource-windows` is; undefined for receipts and tombstones. */
export function placeOf(item: {
  readonly key: string;
  readonly at: string;
}): { incarnation: string; sequence: number } | undefined {
  const [, incarnation, sequence] =
    /^\d{13}#([^#]+)#(\d{12})#[\da-f]{12}$/.exec(item.at) ??
    /^[^#]+#([^#]+)#gaps (\d{12})#[\da-f]{12}$/.exec(`${item.key} ${item.at}`) ??
    [];
  return incarnation === undefined ? undefined : { incarnation, sequence: Number(sequence) };
}

/** First 12 hex digits of the SHA-256 of the row's JSON with sorted keys. */
export function rowHash(row: OutboxRow): string {
  return hash("sha256", row.type === "execution" ? executionJson(row) : canonicalJson(row)).slice(0, 12);
}

/** `canonicalJson` of an execution, in a sixth of the time: there is one for each item. */
function executionJson(row: ExecutionRow): string {
  const { arrivedAt, delayTicks, durationMs, epoch, executedAt, executionId, queryId, sequence, tick } = row;
  const duration = durationMs === undefined ? "" : `"durationMs":${durationMs},`;
  const ids = `"executionId":${JSON.stringify(executionId)},"queryId":${JSON.stringify(queryId)}`;
  return `{"arrivedAt":${arrivedAt},"delayTicks":${delayTicks},${duration}"epoch":${JSON.stringify(epoch)},"executedAt":${executedAt},${ids},"sequence":${sequence},"tick":${tick},"type":"execution"}`;
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
