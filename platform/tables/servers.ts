/** Table `servers`: the registry of servers, and the incarnations of each one's outbox. */
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { parseItem, queryRange, scan } from "./query.ts";

const registration = z.object({
  serverId: z.string(),
  url: z.string(),
  kind: z.enum(["native", "tap"]),
  registeredAt: z.int(),
});
export type ServerRegistration = z.infer<typeof registration>;

const incarnationPrefix = "incarnation#";
const incarnationItem = z.object({
  item: z.string().startsWith(incarnationPrefix),
  firstSeenAt: z.int(),
  through: z.int().default(0),
});
export interface Incarnation {
  readonly incarnation: string;
  /** Unix ms. */
  readonly firstSeenAt: number;
  /** No sequence number after this one has come; 0 where only versions have recorded that did not note it. */
  readonly through: number;
}

/** Says where a server is to be found; again says so anew. */
export async function registerServer(
  document: DynamoDBDocumentClient,
  table: string,
  server: ServerRegistration,
): Promise<void> {
  await document.send(new PutCommand({ TableName: table, Item: { ...server, item: "server", format: 1 } }));
}

/** Every server that was registered or has recorded anything; `registration` is missing when it never registered. */
export async function listServers(
  document: DynamoDBDocumentClient,
  table: string,
): Promise<{ serverId: string; registration?: ServerRegistration }[]> {
  const servers = new Map<string, { serverId: string; registration?: ServerRegistration }>();
  for await (const item of scan(document, table)) {
    const serverId = String(item.serverId);
    const parsed = item.item === "server" ? registration.safeParse(item) : undefined;
    if (parsed?.success) servers.set(serverId, { serverId, registration: parsed.data });
    else if (!servers.has(serverId)) servers.set(serverId, { serverId });
  }
  return [...servers.values()];
}

/** Notes that rows of an outbox's incarnation come, with sequence numbers up to `through`; when it was first seen stays. */
export async function noteIncarnation(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  { incarnation, firstSeenAt, through }: Incarnation,
): Promise<void> {
  try {
    await document.send(
      new UpdateCommand({
        TableName: table,
        Key: { serverId, item: `${incarnationPrefix}${incarnation}` },
        UpdateExpression:
          "SET firstSeenAt = if_not_exists(firstSeenAt, :firstSeenAt), through = :through, #format = :format",
        ConditionExpression: "attribute_not_exists(through) OR through < :through",
        ExpressionAttributeNames: { "#format": "format" },
        ExpressionAttributeValues: { ":firstSeenAt": firstSeenAt, ":through": through, ":format": 1 },
      }),
    );
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
  }
}

/** All incarnations of a server's outbox that ever recorded, oldest first. */
export async function listIncarnations(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
): Promise<Incarnation[]> {
  const incarnations: Incarnation[] = [];
  const items = queryRange(document, {
    table,
    partition: ["serverId", serverId],
    sort: ["item", incarnationPrefix, `${incarnationPrefix}~`],
    consistent: true,
  });
  for await (const raw of items) {
    const { item, firstSeenAt, through } = parseItem(incarnationItem, raw, table, `${raw.serverId} ${raw.item}`);
    incarnations.push({ incarnation: item.slice(incarnationPrefix.length), firstSeenAt, through });
  }
  return incarnations.sort((a, b) => a.firstSeenAt - b.firstSeenAt);
}
