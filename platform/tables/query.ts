/** Paged reads of a table. */
import { type DynamoDBDocumentClient, QueryCommand, type QueryCommandInput, ScanCommand } from "@aws-sdk/lib-dynamodb";
import type { z } from "zod";

/** An item that does not parse: written by another version, or not by us. */
export interface UnreadableItem {
  readonly table: string;
  readonly key: string;
  readonly problem: string;
}

/** All items of a partition whose sort key lies between `from` and `to` (inclusive), in order, page by page. */
export async function* queryRange(
  document: DynamoDBDocumentClient,
  input: {
    readonly table: string;
    readonly partition: readonly [attribute: string, value: string];
    readonly sort?: readonly [attribute: string, from: string, to: string];
    readonly consistent?: boolean;
    readonly newestFirst?: boolean;
  },
): AsyncGenerator<Record<string, unknown>> {
  const { partition, sort } = input;
  const command: QueryCommandInput = {
    TableName: input.table,
    // Not as an expression: the embedded cloud takes that apart anew for each item of the partition (docs/adr/0725).
    KeyConditions: {
      [partition[0]]: { ComparisonOperator: "EQ", AttributeValueList: [partition[1]] },
      ...(sort && { [sort[0]]: { ComparisonOperator: "BETWEEN", AttributeValueList: [sort[1], sort[2]] } }),
    },
    ConsistentRead: input.consistent ?? false,
    ScanIndexForward: !(input.newestFirst ?? false),
  };
  let start: Record<string, unknown> | undefined;
  do {
    const page = await document.send(new QueryCommand({ ...command, ...(start ? { ExclusiveStartKey: start } : {}) }));
    yield* page.Items ?? [];
    start = page.LastEvaluatedKey;
  } while (start);
}

/** All items of a table, page by page. For audits and small tables: reads (and bills) everything. */
export async function* scan(document: DynamoDBDocumentClient, table: string): AsyncGenerator<Record<string, unknown>> {
  let start: Record<string, unknown> | undefined;
  do {
    const page = await document.send(
      new ScanCommand({ TableName: table, ConsistentRead: true, ...(start ? { ExclusiveStartKey: start } : {}) }),
    );
    yield* page.Items ?? [];
    start = page.LastEvaluatedKey;
  } while (start);
}

/** Parses items; those that do not parse are returned apart, named by their key. */
export function parseItems<T>(
  schema: z.ZodType<T>,
  items: readonly Record<string, unknown>[],
  table: string,
  keyOf: (item: Record<string, unknown>) => string,
): { readonly read: T[]; readonly unreadable: UnreadableItem[] } {
  const read: T[] = [];
  const unreadable: UnreadableItem[] = [];
  for (const item of items) {
    const parsed = schema.safeParse(item);
    if (parsed.success) read.push(parsed.data);
    else unreadable.push({ table, key: keyOf(item), problem: problemOf(parsed.error) });
  }
  return { read, unreadable };
}

/** An item that a reader cannot do without is of another version, or not ours. */
export class UnreadableItemError extends Error {
  override readonly name = "UnreadableItemError";
}

/** @throws UnreadableItemError in one line that names table and item */
export function parseItem<T>(schema: z.ZodType<T>, item: unknown, table: string, key: string): T {
  const parsed = schema.safeParse(item);
  if (parsed.success) return parsed.data;
  const problem = problemOf(parsed.error);
  throw new UnreadableItemError(
    `item ${key} of table ${table} cannot be read, was it written by another version? ${problem}`,
  );
}

/** A zod error in one line, cut short. */
export function problemOf(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join(".") || "value"}: ${issue.message}`)
    .join("; ")
    .slice(0, 500);
}
