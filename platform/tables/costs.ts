/** Table `query-costs`: what each query of a server is believed to cost, and one version item that says when costs changed. */
import { type DynamoDBDocumentClient, GetCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { parseItems, queryRange, type UnreadableItem } from "./query.ts";

/** Key of the version item: not a query id, for those hold no `#`. */
export const versionItemId = "#version";

const triple = z.tuple([z.number(), z.number(), z.number()]).readonly();

/**
 * One value per resource, in the order CPU, IO, memory, in percent of a tick. Where executions last (`durationMs`): CPU ms,
 * IO KiB, and MiB held.
 */
export const costSchema = z.object({
  mean: triple,
  sd: triple,
  seen: z.int().min(0),
  lastSeenAt: z.int().min(0),
  durationMs: z.number().min(0).exactOptional(),
});
export type StoredCost = z.infer<typeof costSchema>;

export const costItemSchema = costSchema.extend({ serverId: z.string(), queryId: z.string(), format: z.literal(1) });
export type CostItem = z.infer<typeof costItemSchema>;

/** What was odd about the windows read since the state began. */
export const windowAccount = z.object({
  /** Windows, or bands of windows, that could not be used, by reason; `unreadable`: items that are no windows. */
  rejected: z.record(z.string(), z.int().min(0)),
  /** Marks of those of the last minutes, which are read again but not counted again. */
  refused: z.array(z.string()),
  /** Of the last epochs, the tick after the last one that was read. */
  epochs: z.array(z.object({ epoch: z.string(), nextTick: z.int().min(0) })),
  /** Ticks between windows that were never read: not recorded, or dated where nobody looks. */
  skippedTicks: z.int().min(0),
  /** Windows that were learned from though their times are far from where the last ones were: a clock jumped, or they came late. */
  outOfTime: z.int().min(0),
});
export type WindowAccount = z.infer<typeof windowAccount>;

/**
 * `version` numbers the estimator's states, `published` the last one whose costs are all in the table: readers go by
 * `published`. `stateKey` and `previousStateKey` name objects of the state bucket.
 */
export const versionItemSchema = z.object({
  serverId: z.string(),
  queryId: z.literal(versionItemId),
  format: z.literal(1),
  version: z.int().min(1),
  published: z.int().min(0),
  estimatedAt: z.int().min(0),
  stateKey: z.string(),
  previousStateKey: z.string().optional(),
  /** Windows that the state has taken in, and the end of the newest one (Unix ms). */
  windows: z.int().min(0),
  readThrough: z.int().min(0),
  prior: costSchema,
  quality: z.record(z.string(), z.number()),
  ...windowAccount.partial().shape,
});
export type VersionItem = z.infer<typeof versionItemSchema>;

export interface Costs {
  /** Grows whenever costs changed; 0 before the first estimate. */
  readonly version: number;
  readonly estimatedAt: number;
  readonly windows: number;
  readonly costs: Map<string, StoredCost>;
  /** What a query without costs is believed to cost; undefined before the first estimate. */
  readonly prior: StoredCost | undefined;
  readonly quality: Readonly<Record<string, number>>;
  /** Windows, or bands of windows, that could not be used, by reason. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly skippedTicks: number;
  readonly outOfTime: number;
  /** Items of another version: their queries fall back to the prior. */
  readonly unreadable: readonly UnreadableItem[];
}

export function costItem(serverId: string, queryId: string, cost: StoredCost): CostItem {
  return { serverId, queryId, format: 1, ...cost };
}

/** All costs of a server. */
export async function readCosts(document: DynamoDBDocumentClient, table: string, serverId: string): Promise<Costs> {
  const items: Record<string, unknown>[] = [];
  const partition = queryRange(document, { table, partition: ["serverId", serverId], consistent: true });
  for await (const item of partition) items.push(item);
  const isVersion = (item: Record<string, unknown>): boolean => item.queryId === versionItemId;
  const keyOf = (item: Record<string, unknown>): string => `${item.serverId} ${item.queryId}`;
  const versions = parseItems(versionItemSchema, items.filter(isVersion), table, keyOf);
  const rest = parseItems(
    costItemSchema,
    items.filter((item) => !isVersion(item)),
    table,
    keyOf,
  );
  const version = versions.read[0];
  return {
    version: version?.published ?? 0,
    estimatedAt: version?.estimatedAt ?? 0,
    windows: version?.windows ?? 0,
    costs: new Map(rest.read.map(({ serverId: _, queryId, format: __, ...cost }) => [queryId, cost])),
    prior: version?.prior,
    quality: version?.quality ?? {},
    rejected: version?.rejected ?? {},
    skippedTicks: version?.skippedTicks ?? 0,
    outOfTime: version?.outOfTime ?? 0,
    unreadable: [...versions.unreadable, ...rest.unreadable],
  };
}

/** The version of the costs in the table: one small read, to see whether `readCosts` is worth it. 0 before the first estimate. */
export async function readCostsVersion(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
): Promise<number> {
  const { Item } = await document.send(
    new GetCommand({
      TableName: table,
      Key: { serverId, queryId: versionItemId },
      ProjectionExpression: "published",
    }),
  );
  return z.object({ published: z.int() }).safeParse(Item).data?.published ?? 0;
}
