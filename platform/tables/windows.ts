/** Table `resource-windows`: one item per metrics window, with what ran in each of its ticks. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { identifier, metrics, type WindowRow, windowRow } from "../wire.ts";
import { rowHash } from "./executions.ts";
import { expiresAt, hourOf, hoursBetween, padSequence, padTime } from "./keys.ts";
import { parseItems, queryRange, type UnreadableItem } from "./query.ts";

const numbers = /^[\d.e+,;-]*$/;

/**
 * As stored, in texts since an emulator spends as long on a number as on ten texts (docs/adr/0710): `ticks` holds one group
 * per tick, divided by `;`, each a list of indexes into `queries`, divided by `,`. `active` likewise holds index, from, to
 * and duration (empty: none) of each execution, and how many they are where they are several; `usage` the values of each resource.
 */
export const windowItemSchema = windowRow.omit({ type: true, ticks: true, active: true, usage: true }).extend({
  key: z.string(),
  at: z.string(),
  format: z.literal(1),
  incarnation: identifier,
  metrics,
  ticks: z.string().regex(/^[\d,;]*$/),
  active: z.string().regex(numbers).optional(),
  usage: z
    .object({ cpu: z.string().regex(numbers), io: z.string().regex(numbers), memory: z.string().regex(numbers) })
    .optional(),
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
  readonly active?: readonly ActiveExecution[];
  readonly usage?: Readonly<Record<"cpu" | "io" | "memory", readonly number[]>>;
}

interface ActiveExecution {
  readonly queryId: string;
  readonly from: number;
  readonly to: number;
  readonly durationMs: number | null;
  readonly times?: number;
}

/** The window as a table item; its key comes from the row alone, as an execution's does. */
export function windowItem(serverId: string, incarnation: string, row: WindowRow, ttlSeconds: number): WindowItem {
  const { type: _, ticks, active, usage, ...fields } = row;
  return {
    key: `${serverId}#${hourOf(row.endedAt)}`,
    at: `${padTime(row.endedAt)}#${incarnation}#${padSequence(row.sequence)}#${rowHash(row)}`,
    format: 1,
    incarnation,
    ...fields,
    ticks: ticks.map((ran) => ran.join(",")).join(";"),
    ...(active && {
      active: active
        .map(({ query, from, to, durationMs, times }) =>
          [query, from, to, durationMs ?? "", ...(times === undefined ? [] : [times])].join(","),
        )
        .join(";"),
    }),
    ...(usage && { usage: { cpu: usage.cpu.join(","), io: usage.io.join(","), memory: usage.memory.join(",") } }),
    expiresAt: expiresAt(row.endedAt, ttlSeconds),
  };
}

/** Throws a RangeError when a tick or an execution names a query that the item does not list, or a number is none. */
export function storedWindow(item: WindowItem): StoredWindow {
  const queryAt = (index: string): string => {
    const query = item.queries[Number(index)];
    if (query === undefined) throw new RangeError(`no query ${index} of ${item.queries.length}`);
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
    ...(item.active !== undefined && { active: groups(item.active).map((one) => activeExecution(one, queryAt)) }),
    ...(item.usage && {
      usage: { cpu: values(item.usage.cpu), io: values(item.usage.io), memory: values(item.usage.memory) },
    }),
  };
}

function groups(text: string): string[] {
  return text === "" ? [] : text.split(";");
}

function values(text: string): number[] {
  return text === "" ? [] : text.split(",").map(numberOf);
}

function activeExecution(text: string, queryAt: (index: string) => string): ActiveExecution {
  const [query = "", from = "", to = "", duration, times, ...more] = text.split(",");
  if (duration === undefined || more.length > 0) throw new RangeError(`active: ${text} is not four or five values`);
  return {
    queryId: queryAt(query),
    from: numberOf(from),
    to: numberOf(to),
    durationMs: duration === "" ? null : numberOf(duration),
    ...(times !== undefined && { times: numberOf(times) }),
  };
}

function numberOf(text: string): number {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) throw new RangeError(`"${text}" is no number`);
  return value;
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
