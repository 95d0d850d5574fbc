/** Table `resource-windows`: one item per metrics window, with what ran in each of its ticks. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { identifier, metrics, type WindowRow, windowRow } from "../wire.ts";
import { rowHash } from "./executions.ts";
import { expiresAt, hourOf, hoursBetween, padSequence, padTime } from "./keys.ts";
import { parseItems, queryRange, type UnreadableItem } from "./query.ts";

/** As stored: `ticks` holds one group per tick, divided by `;`, each a list of indexes into `queries`, divided by `,`. */
export const windowItemSchema = windowRow.omit({ type: true, ticks: true }).extend({
  key: z.string(),
  at: z.string(),
  format: z.literal(1),
  incarnation: identifier,
  metrics,
  ticks: z.string().regex(/^[\d,;]*$/),
  expiresAt: z.int(),
});
export type WindowItem = z.infer<typeof windowItemSchema>;

/** A window as the estimator takes it (`WindowObservation` of the core). `ticks` holds query ids, repeats included. */
export interface StoredWindow {
  /** Its sort key: the same row has the same one. */
  readonly key: string;
  readonly epoch: string;
  readonly endedAt: number;
  readonly firstTick: number;
  readonly ticks: readonly (readonly string[])[];
  readonly bounds: "exact" | "inferred";
  readonly metrics: z.infer<typeof metrics>;
  readonly incarnation: string;
  readonly sequence: number;
  readonly tickMs: number;
}

/** The window as a table item; its key comes from the row alone, as an execution's does. */
export function windowItem(serverId: string, incarnation: string, row: WindowRow, ttlSeconds: number): WindowItem {
  const { type: _, ticks, ...fields } = row;
  return {
    key: `${serverId}#${hourOf(row.endedAt)}`,
    at: `${padTime(row.endedAt)}#${incarnation}#${padSequence(row.sequence)}#${rowHash(row)}`,
    format: 1,
    incarnation,
    ...fields,
    ticks: ticks.map((ran) => ran.join(",")).join(";"),
    expiresAt: expiresAt(row.endedAt, ttlSeconds),
  };
}

/** Throws a RangeError when a tick names a query that the item does not list. */
export function storedWindow(item: WindowItem): StoredWindow {
  const queryAt = (index: string): string => {
    const query = item.queries[Number(index)];
    if (query === undefined) throw new RangeError(`ticks: no query ${index} of ${item.queries.length}`);
    return query;
  };
  return {
    key: item.at,
    epoch: item.epoch,
    endedAt: item.endedAt,
    firstTick: item.firstTick,
    ticks: item.ticks.split(";").map((ran) => (ran === "" ? [] : ran.split(",").map(queryAt))),
    bounds: item.bounds,
    metrics: item.metrics,
    incarnation: item.incarnation,
    sequence: item.sequence,
    tickMs: item.tickMs,
  };
}

const storedWindowSchema = windowItemSchema.transform((item, context) => {
  try {
    return storedWindow(item);
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});

/** Windows that ended between two Unix times in ms (inclusive), oldest first; at most `limit` of them when given. */
export async function readWindows(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  fromMs: number,
  toMs: number,
  limit = Number.POSITIVE_INFINITY,
): Promise<{ windows: StoredWindow[]; unreadable: UnreadableItem[] }> {
  const items: Record<string, unknown>[] = [];
  for (const hour of hoursBetween(fromMs, toMs)) {
    const partition = queryRange(document, {
      table,
      partition: ["key", `${serverId}#${hour}`],
      sort: ["at", padTime(fromMs), `${padTime(toMs)}~`],
    });
    for await (const item of partition) {
      if (items.length >= limit) break;
      items.push(item);
    }
  }
  const { read, unreadable } = parseItems(storedWindowSchema, items, table, (item) => `${item.key} ${item.at}`);
  return { windows: read, unreadable };
}
