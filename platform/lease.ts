/**
 * A lease on a named slot: one scheduler per server. Each acquisition has a higher fencing token than all before it.
 *
 * Clocks of different machines are never compared. The holder counts `durationMs` by its own monotonic clock from before
 * it sent the write; a candidate counts them by its own from after it read that write. So the holder stops first.
 */
import { ConditionalCheckFailedException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import type { Clock } from "./clock.ts";
import { ofText } from "./lengths.ts";

export const leaseItem = z.object({
  format: z.literal(1),
  /** Name of the holder. */
  slot: z.string().min(1, ofText),
  /** Fencing token of this acquisition. */
  token: z.int().min(1),
  /** New with each write, so that a candidate sees a renewal without comparing clocks. */
  renewal: z.string().min(1, ofText),
  durationMs: z.int().min(1),
  released: z.boolean(),
  /** The slot that may take it at once, though it is held: its holder steers on until it does. */
  offeredTo: z.string().min(1, ofText).optional(),
});
export type LeaseItem = z.infer<typeof leaseItem>;

/** One item with compare and swap. Both calls throw when the table does not answer in time. */
export interface LeaseStore {
  read(): Promise<LeaseItem | undefined>;
  /** Writes `next` if the item's `renewal` still is `expected` (undefined: if there is no item). */
  swap(expected: string | undefined, next: LeaseItem): Promise<"written" | "conflict">;
}

/** The item `lease` of a server in table `scheduler-state`. */
export function createLeaseStore(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  timeoutMs = 1_500,
): LeaseStore {
  const key = { serverId, item: "lease" };
  const limit = () => ({ abortSignal: AbortSignal.timeout(timeoutMs) });
  return {
    async read() {
      const { Item } = await document.send(
        new GetCommand({ TableName: table, Key: key, ConsistentRead: true }),
        limit(),
      );
      return Item === undefined ? undefined : leaseItem.parse(Item);
    },
    async swap(expected, next) {
      try {
        await document.send(
          new PutCommand({
            TableName: table,
            Item: { ...key, ...next },
            ...(expected === undefined
              ? { ConditionExpression: "attribute_not_exists(renewal)" }
              : {
                  ConditionExpression: "renewal = :expected",
                  ExpressionAttributeValues: { ":expected": expected },
                }),
          }),
          limit(),
        );
        return "written";
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return "conflict";
        throw error;
      }
    },
  };
}

export interface LeaseOptions {
  readonly store: LeaseStore;
  /** This process's name; a restart under the same name takes over at once. */
  readonly slot: string;
  readonly clock: Clock;
  /** A string never used before. */
  readonly nonce: () => string;
  readonly durationMs?: number;
  /** Told each new trouble once. */
  readonly onTrouble?: (trouble: string) => void;
}

export interface Lease {
  /** Fencing token; 0 before the first acquisition. */
  readonly token: number;
  /** How long this process may still act, by the monotonic clock; 0 when it does not hold the lease. */
  remainingMs(): number;
  /** Who holds it, as last read or written; null when nobody is known to. */
  readonly holder: string | null;
  /** Why it is not held or not renewed: another holder's name, or that the table does not answer; null when all is well. */
  readonly trouble: string | null;
  /** Waits for the lease; true when it is held, false when `signal` aborted first. */
  acquire(signal: AbortSignal): Promise<boolean>;
  /** Renews until the lease is lost (resolves with why) or `signal` aborts (undefined). */
  keep(signal: AbortSignal): Promise<string | undefined>;
  /** Lets another slot take it at once, from the next renewal on; undefined: nobody any more. Whoever takes it has the higher token. */
  offer(slot: string | undefined): void;
  /** Frees the slot for everyone; best effort, as expiry does it too. */
  release(): Promise<void>;
}

const pollMs = 500;
const conflictMs = 20;

export function createLease(options: LeaseOptions): Lease {
  const { store, slot, clock, nonce, durationMs = 4_000, onTrouble = () => {} } = options;
  let token = 0;
  let renewal = "";
  let validUntil = Number.NEGATIVE_INFINITY;
  /** A process under our own name has taken over: taking it back at once would never end. */
  let displaced = false;
  let trouble: string | null = null;
  let holder: string | null = null;
  let offeredTo: string | undefined;
  const setTrouble = (next: string) => {
    if (next !== trouble) onTrouble(next);
    trouble = next;
  };
  const remainingMs = () => Math.max(0, validUntil - clock.monotonic());

  async function write(expected: string | undefined, nextToken: number, released = false): Promise<boolean> {
    const item: LeaseItem = { format: 1, slot, token: nextToken, renewal: nonce(), durationMs, released };
    const next = offeredTo === undefined ? item : { ...item, offeredTo };
    const startedAt = clock.monotonic();
    if ((await store.swap(expected, next)) === "conflict") return false;
    trouble = null;
    holder = released ? null : slot;
    token = nextToken;
    renewal = next.renewal;
    validUntil = released ? Number.NEGATIVE_INFINITY : startedAt + durationMs;
    return true;
  }

  /** One attempt; `seen` is the last renewal read from another holder, and when it was first read. */
  async function attempt(seen: { renewal: string; at: number }): Promise<"held" | "conflict" | "wait"> {
    const item = await store.read();
    const readAt = clock.monotonic();
    holder = item && !item.released ? item.slot : null;
    // At least the time of day: a token stays the highest even if the table is lost and begins anew.
    const nextToken = Math.max((item?.token ?? 0) + 1, clock.now());
    const take = async () => {
      offeredTo = undefined;
      return (await write(item?.renewal, nextToken)) ? "held" : "conflict";
    };
    if (!item || item.released || item.offeredTo === slot || (item.slot === slot && !displaced)) return take();
    if (item.renewal !== seen.renewal) {
      seen.renewal = item.renewal;
      seen.at = readAt;
    }
    if (readAt - seen.at >= item.durationMs) return take();
    setTrouble(`${item.slot} holds the lease`);
    return "wait";
  }

  return {
    get token() {
      return token;
    },
    remainingMs,
    get holder() {
      return holder;
    },
    get trouble() {
      return trouble;
    },
    async acquire(signal) {
      const seen = { renewal: "", at: 0 };
      while (!signal.aborted) {
        let pauseMs = pollMs;
        try {
          const result = await attempt(seen);
          if (result === "held") {
            displaced = false;
            return true;
          }
          // Another write came first, such as the last one of a process of our name that was killed: look again.
          if (result === "conflict") pauseMs = conflictMs;
        } catch (error) {
          setTrouble(`the lease cannot be read or written: ${error instanceof Error ? error.message : error}`);
        }
        await clock.sleep(pauseMs, signal);
      }
      return false;
    },
    async keep(signal) {
      let pauseMs = durationMs / 3;
      for (;;) {
        await clock.sleep(Math.min(pauseMs, remainingMs()), signal);
        if (signal.aborted) return undefined;
        if (remainingMs() === 0) return "the lease expired before it could be renewed";
        pauseMs = durationMs / 20;
        try {
          if (await write(renewal, token)) pauseMs = durationMs / 3;
          else {
            // A write of ours whose answer was lost also conflicts; the token tells whose the lease is.
            const item = await store.read();
            if (item?.token === token) renewal = item.renewal;
            else {
              validUntil = Number.NEGATIVE_INFINITY;
              displaced = item?.slot === slot;
              holder = item?.slot ?? null;
              return item
                ? `${displaced ? "another process named " : ""}${item.slot} took the lease`
                : "the lease is gone";
            }
          }
        } catch (error) {
          setTrouble(`the lease cannot be renewed: ${error instanceof Error ? error.message : error}`);
        }
      }
    },
    offer(slot) {
      offeredTo = slot;
    },
    async release() {
      if (remainingMs() > 0) await write(renewal, token, true);
    },
  };
}
