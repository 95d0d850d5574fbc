/** What a person does with tombstones in table `executions`, and the record of the letters that were given up. */
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import { DeleteCommand, type DynamoDBDocumentClient, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { tombstoneItem } from "./executions.ts";
import { expiresAt, padTime } from "./keys.ts";

export interface Discarded {
  readonly why: string;
  /** Unix ms. */
  readonly at: number;
}

/** The key's form is `tombstoneItem`'s alone. */
function keyOf(serverId: string, incarnation: string, sequence: number) {
  const { key, at } = tombstoneItem(serverId, incarnation, sequence, "", 0, 0);
  return { key, at };
}

/** The row may be sent again; nothing happens where there is no tombstone. */
export async function deleteTombstone(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  sequence: number,
): Promise<void> {
  await document.send(new DeleteCommand({ TableName: table, Key: keyOf(serverId, incarnation, sequence) }));
}

/** The row is given up: it counts as accounted for, and is not sent again. Nothing happens where there is no tombstone. */
export async function discardTombstone(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  sequence: number,
  discarded: Discarded,
): Promise<void> {
  try {
    await document.send(
      new UpdateCommand({
        TableName: table,
        Key: keyOf(serverId, incarnation, sequence),
        UpdateExpression: "SET discarded = :discarded",
        ConditionExpression: "attribute_exists(#key)",
        ExpressionAttributeNames: { "#key": "key" },
        ExpressionAttributeValues: { ":discarded": { ...discarded } },
      }),
    );
  } catch (error) {
    // The row has been redriven or recorded since: there is nothing to give up.
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
  }
}

export interface DiscardedLetter {
  readonly id: string;
  readonly kind: string;
  readonly reason: string;
  readonly origin: { readonly serverId?: string | undefined };
  /** Unix ms. */
  readonly failedAt: number;
  readonly body: string;
}

const keptSeconds = 365 * 86_400;
/** An item holds 400 KB; what of the letter goes beyond is cut. */
const largestBody = 200_000;

/** Keeps for a year what was given up, and why. */
export async function noteDiscardedLetter(
  document: DynamoDBDocumentClient,
  table: string,
  letter: DiscardedLetter,
  discarded: Discarded,
): Promise<void> {
  await document.send(
    new PutCommand({
      TableName: table,
      Item: {
        key: `${letter.origin.serverId ?? "unknown"}#discarded-letters`,
        at: `${padTime(discarded.at)}#${letter.id}`,
        format: 1,
        ...letter,
        body: letter.body.slice(0, largestBody),
        discarded,
        expiresAt: expiresAt(discarded.at, keptSeconds),
      },
    }),
  );
}
