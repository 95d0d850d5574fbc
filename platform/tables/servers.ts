/** Table `servers`: the registry of servers, and the incarnations of each one's outbox. */
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, PutCommand, type PutCommandInput } from "@aws-sdk/lib-dynamodb";
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
});
/** An item of its own: whoever notes it may put items, not change them. */
const throughPrefix = "through#";
const throughItem = z.object({ item: z.string().startsWith(throughPrefix), through: z.int() });
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
  const put = async (item: Readonly<Record<string, unknown>>, condition: Partial<PutCommandInput>) => {
    try {
      await document.send(new PutCommand({ TableName: table, Item: { serverId, format: 1, ...item }, ...condition }));
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  };
  await put(
    { item: `${incarnationPrefix}${incarnation}`, firstSeenAt },
    { ConditionExpression: "attribute_not_exists(serverId)" },
  );
  await put(
    { item: `${throughPrefix}${incarnation}`, through },
    {
      ConditionExpression: "attribute_not_exists(serverId) OR through < :through",
      ExpressionAttributeValues: { ":through": through },
    },
  );
}

/** All incarnations of a server's outbox that ever recorded, oldest first. */
export async function listIncarnations(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
): Promise<Incarnation[]> {
  const itemsOf = <T>(prefix: string, schema: z.ZodType<T>) =>
    Array.fromAsync(
      queryRange(document, {
        table,
        partition: ["serverId", serverId],
        sort: ["item", prefix, `${prefix}~`],
        consistent: true,
      }),
      (raw) => parseItem(schema, raw, table, `${raw.serverId} ${raw.item}`),
    );
  const noted = await itemsOf(throughPrefix, throughItem);
  const through = new Map(noted.map((of) => [of.item.slice(throughPrefix.length), of.through]));
  const incarnations = (await itemsOf(incarnationPrefix, incarnationItem)).map(({ item, firstSeenAt }) => {
    const incarnation = item.slice(incarnationPrefix.length);
    return { incarnation, firstSeenAt, through: through.get(incarnation) ?? 0 };
  });
  return incarnations.sort((a, b) => a.firstSeenAt - b.firstSeenAt);
}
