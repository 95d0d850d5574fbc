/** The version item of table `query-costs`: which state is the current one, and whether its costs are in the table. */
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, GetCommand, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { type VersionItem, versionItemId, versionItemSchema, type WindowAccount } from "./costs.ts";
import { problemOf } from "./query.ts";

export interface CurrentVersion {
  /** 0 when there is none. */
  readonly version: number;
  /** Undefined when there is none, or one that cannot be read: then `problem` says why. */
  readonly item?: VersionItem;
  readonly problem?: string;
}

/** Strongly consistent. */
export async function readVersion(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
): Promise<CurrentVersion> {
  const key = { serverId, queryId: versionItemId };
  const { Item } = await document.send(new GetCommand({ TableName: table, Key: key, ConsistentRead: true }));
  if (Item === undefined) return { version: 0 };
  const parsed = versionItemSchema.safeParse(Item);
  if (parsed.success) return { version: parsed.data.version, item: parsed.data };
  const version = z.object({ version: z.int().min(0) }).safeParse(Item).data?.version ?? 0;
  return { version, problem: problemOf(parsed.error) };
}

/** Makes `next` the current version unless another one has become so since `current` was read: then false. */
export async function replaceVersion(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  current: CurrentVersion,
  next: Omit<VersionItem, "serverId" | "queryId" | "format">,
): Promise<boolean> {
  const item = versionItemSchema.parse({ ...next, serverId, queryId: versionItemId, format: 1 });
  return conditionally(
    document.send(
      new PutCommand({
        TableName: table,
        Item: item,
        ConditionExpression: "attribute_not_exists(version) OR version = :version",
        ExpressionAttributeValues: { ":version": current.version },
      }),
    ),
  );
}

/** Tells readers that the costs of `version` are in the table, unless a newer version has taken over. */
export async function publish(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  version: number,
): Promise<boolean> {
  return conditionally(
    document.send(
      new UpdateCommand({
        TableName: table,
        Key: { serverId, queryId: versionItemId },
        UpdateExpression: "SET published = :version",
        ConditionExpression: "version = :version",
        ExpressionAttributeValues: { ":version": version },
      }),
    ),
  );
}

/** Replaces the account of `version`'s windows, unless a newer version has taken over. */
export async function noteFaults(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  version: number,
  account: WindowAccount & Pick<VersionItem, "readThrough">,
): Promise<boolean> {
  const names = Object.keys(account);
  return conditionally(
    document.send(
      new UpdateCommand({
        TableName: table,
        Key: { serverId, queryId: versionItemId },
        UpdateExpression: `SET ${names.map((name) => `#${name} = :${name}`).join(", ")}`,
        ConditionExpression: "version = :version",
        ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
        ExpressionAttributeValues: {
          ":version": version,
          ...Object.fromEntries(Object.entries(account).map(([name, value]) => [`:${name}`, value])),
        },
      }),
    ),
  );
}

async function conditionally(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}
