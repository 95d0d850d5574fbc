/** Table `scheduler-state`: what a scheduler stores about a server. The lease itself is written by `platform/lease.ts`. */
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { parseItem } from "./query.ts";

export type SchedulerItem = "lease" | "plan" | "knobs" | "parameters";

const stateItem = z.object({
  format: z.literal(1),
  fence: z.int().min(0),
  /** JSON: numbers keep every digit, which a DynamoDB number does not. */
  value: z.string().transform((text, context) => {
    try {
      const value: unknown = JSON.parse(text);
      return value;
    } catch {
      context.addIssue({ code: "custom", message: "not JSON" });
      return z.NEVER;
    }
  }),
});

export interface StoredState {
  readonly value: unknown;
  readonly fence: number;
}

/** The stored state; undefined when there is none. Throws an UnreadableItemError on an item of another version. */
export async function readState(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  item: SchedulerItem,
): Promise<StoredState | undefined> {
  const { Item } = await document.send(
    new GetCommand({ TableName: table, Key: { serverId, item }, ConsistentRead: true }),
  );
  if (Item === undefined) return undefined;
  const { value, fence } = parseItem(stateItem, Item, table, `${serverId} ${item}`);
  return { value, fence };
}

/** Writes the state, unless a holder with a higher `fence` has written since: then "stale". */
export async function writeState(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  item: SchedulerItem,
  value: unknown,
  fence: number,
): Promise<"written" | "stale"> {
  try {
    await document.send(
      new PutCommand({
        TableName: table,
        Item: { serverId, item, format: 1, fence, value: JSON.stringify(value) },
        ConditionExpression: "attribute_not_exists(fence) OR fence <= :fence",
        ExpressionAttributeValues: { ":fence": fence },
      }),
    );
    return "written";
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return "stale";
    throw error;
  }
}
