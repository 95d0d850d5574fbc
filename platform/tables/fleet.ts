/** Table `scheduler-state`: the processes that share the servers among themselves, below a key that no server can have. */
import { type DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { ofText } from "../lengths.ts";
import { queryRange } from "./query.ts";

/** An id of a server holds no '#'. */
export const fleetKey = "#schedulers";
const prefix = "member#";

export const fleetMember = z.object({
  /** The slot of its leases. */
  name: z.string().min(1, ofText),
  /** Where its status is served. */
  url: z.url({ protocol: /^https?$/ }),
  /** Servers that it takes at most. */
  capacity: z.int().min(0),
  /** Servers whose lease it holds. */
  holds: z.int().min(0),
  /** Servers that it would steer and that do not answer. */
  away: z.int().min(0),
  /** New with each beat: clocks are never compared. */
  beat: z.string().min(1, ofText),
  /** It hands its servers over, and ends. */
  leaving: z.boolean(),
});
export type FleetMember = z.infer<typeof fleetMember>;

/** Items of members that ended without a word go after a day. */
const keptSeconds = 86_400;

export async function writeMember(
  document: DynamoDBDocumentClient,
  table: string,
  member: FleetMember,
  now: number,
): Promise<void> {
  const expiresAt = Math.floor(now / 1_000) + keptSeconds;
  const Item = { serverId: fleetKey, item: `${prefix}${member.name}`, format: 1, expiresAt, ...member };
  await document.send(new PutCommand({ TableName: table, Item }), { abortSignal: AbortSignal.timeout(1_500) });
}

/** Every member that has ever told of itself, living or not; items that do not parse are left out. */
export async function readMembers(document: DynamoDBDocumentClient, table: string): Promise<FleetMember[]> {
  const members: FleetMember[] = [];
  const items = queryRange(document, {
    table,
    partition: ["serverId", fleetKey],
    sort: ["item", prefix, `${prefix}~`],
    consistent: true,
  });
  for await (const item of items) {
    const parsed = fleetMember.safeParse(item);
    if (parsed.success) members.push(parsed.data);
  }
  return members;
}
