/** What the tables say of an outbox's rows, for audits: from receipts, tombstones and gaps. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { AuditSources } from "./audit.ts";
import { RangeSet } from "./range-set.ts";
import { readGaps, readTombstones } from "./tables/executions.ts";
import { type ReceiptItem, readReceiptItems, receiptReach } from "./tables/receipts.ts";
import type { Incarnation } from "./tables/servers.ts";

/** Of one incarnation. */
export interface Book {
  readonly incarnation: string;
  readonly executed: number;
  readonly recorded: RangeSet;
  /** Of the recorded, those whose rows have not expired. */
  readonly standing: RangeSet;
  readonly buried: RangeSet;
  readonly discarded: RangeSet;
  /** Numbers before this one have receipts that expired. */
  readonly expiredBefore: number;
  readonly gaps: number;
}

/**
 * @param given the last number given out; undefined: the last that ever came
 * @param noted what table `servers` has of it
 */
export async function openBook(
  { document, names, server: { serverId }, now }: AuditSources,
  incarnation: string,
  given: number | undefined,
  noted: Incarnation | undefined,
): Promise<Book> {
  const { EVENKEEL_EXECUTIONS_TABLE: executions, EVENKEEL_WINDOWS_TABLE: windows } = names;
  const tombstones = await readTombstones(document, executions, serverId, incarnation);
  const lastBuried = tombstones.at(-1)?.sequence ?? 0;
  const ever = Math.max(noted?.through ?? 0, lastBuried, receiptReach);
  const read = (table: string) =>
    given === undefined
      ? readEnds(document, table, serverId, incarnation, ever)
      : readReceiptItems(document, table, serverId, incarnation, { first: 1, last: given }, { earlier: true });
  const twins = new RangeSet();
  for await (const twin of read(windows)) twins.add(twin);
  const recorded = new RangeSet();
  const standing = new RangeSet();
  let oldest: ReceiptItem | undefined;
  for await (const receipt of read(executions)) {
    if (receipt.first < (oldest?.first ?? Number.POSITIVE_INFINITY)) oldest = receipt;
    for (const range of receipt.twin ? twins.within(receipt) : [receipt]) {
      recorded.add(range);
      if ((receipt.rowsExpireAt ?? Number.POSITIVE_INFINITY) * 1_000 > now) standing.add(range);
    }
  }
  const buried = new RangeSet();
  const discarded = new RangeSet();
  for (const tombstone of tombstones) {
    const { sequence } = tombstone;
    // A receipt goes before a grave: the row came twice, and once it was whole.
    if (!recorded.has(sequence)) (tombstone.discarded ? discarded : buried).add({ first: sequence, last: sequence });
  }
  const executed = given ?? Math.max(recorded.ranges.at(-1)?.last ?? 0, lastBuried);
  return {
    incarnation,
    executed,
    recorded,
    standing,
    buried,
    discarded,
    expiredBefore: oldest && hasExpiredBefore(oldest, noted?.firstSeenAt, now) ? oldest.first : 1,
    gaps: (await readGaps(document, executions, serverId, incarnation)).length,
  };
}

/**
 * The receipts of an outbox that nobody holds: from its first number on, and back from the last that may have come, each until
 * there are none for longer than there may be while rows go on. A message that claims a number of many digits makes nobody read
 * all that lies before it. What lies between two such gaps counts as missing.
 */
async function* readEnds(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  incarnation: string,
  last: number,
): AsyncGenerator<ReceiptItem> {
  const read = (from: number, to: number, earlier = false) =>
    Array.fromAsync(readReceiptItems(document, table, serverId, incarnation, { first: from, last: to }, { earlier }));
  let from = 1;
  for (let found = -1; found !== 0 && from <= last; from += receiptReach) {
    const receipts = await read(from, Math.min(last, from + receiptReach - 1), from === 1);
    found = receipts.length;
    yield* receipts;
  }
  for (let to = last, found = -1; found !== 0 && to >= from; to -= receiptReach) {
    const receipts = await read(Math.max(from, to - receiptReach + 1), to);
    found = receipts.length;
    yield* receipts;
  }
}

const dayMs = 86_400_000;

/**
 * Whether receipts before the oldest one have expired, rather than been lost: the outbox is older than receipts get, and
 * the oldest one left is near its end. (After a rest of more than a day it is not: what came before then counts as lost
 * until this one expires, too.)
 */
function hasExpiredBefore(oldest: ReceiptItem, firstSeenAt: number | undefined, now: number): boolean {
  const keptMs = oldest.expiresAt * 1_000 - oldest.recordedAt;
  return firstSeenAt !== undefined && firstSeenAt + keptMs <= now && oldest.expiresAt * 1_000 - dayMs <= now;
}
