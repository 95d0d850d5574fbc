/** Which windows a run reads, and the account of those that are odd. */
import { createHash } from "node:crypto";
import type { Estimator } from "../../../core/workload/estimator/estimator.ts";
import type { WindowAccount } from "../../../platform/tables/costs.ts";
import { readWindows, type StoredWindow } from "../../../platform/tables/windows.ts";
import type { EstimateServices } from "./estimate-server.ts";

const minuteMs = 60_000;
/** Windows may arrive this much later than newer ones: read again, and left out by the estimator if it had them. */
const lookBackMs = 5 * minuteMs;
/** How far back a state without a past, or a server that was away, begins. */
const rebuildMs = 24 * 60 * minuteMs;
/** How far ahead of ours a server's clock may be, and how far ahead it is sought when it has jumped. */
const clockSkewMs = 60 * minuteMs;
const searchAheadMs = 24 * 60 * minuteMs;
/** Windows read at a time: bounds memory. */
const chunk = 5_000;
/** Marks of refused windows that are kept: more than are read again at a window a second. */
const mostMarks = 500;
const mostEpochs = 4;
/** The estimator's word for a window in which nothing ran: nothing to write home about while a server idles. */
const idle = "no-executions";

/** A server's learning, brought forward by `readNew`. */
export interface Reading {
  readonly estimator: Estimator;
  /** Windows taken in so far. */
  windows: number;
  /** End of the newest of the windows that were new to the last run that had any (Unix ms). */
  readThrough: number;
  readonly account: WindowAccount;
  /** Unix ms of the run that last learned anything; undefined before the first. */
  readonly learnedAt: number | undefined;
}

export interface ReadResult {
  /** Windows new to the estimator. */
  readonly windows: number;
  /** Entries that are new in the account's `rejected`, but for idle windows. */
  readonly faults: number;
  /** What was not taken, by reason; what was read before is `duplicate`. */
  readonly rejected: Readonly<Record<string, number>>;
}

/**
 * Whether to look everywhere: when nothing came for 5, 10, 20, ... minutes, once each. A server's clock may have jumped
 * to where the usual range does not reach.
 */
function searches(learnedAt: number | undefined, now: number): boolean {
  if (learnedAt === undefined) return false;
  const doublings = (silentMs: number) => Math.floor(Math.log2(Math.max(silentMs, 1) / lookBackMs));
  const before = doublings(now - minuteMs - learnedAt);
  return doublings(now - learnedAt) > Math.max(before, -1);
}

/** Gives the estimator every window that may be new, oldest first, until there are no more or `signal` aborts. */
export async function readNew(
  { document, tables, now, warn }: EstimateServices,
  serverId: string,
  reading: Reading,
  signal: AbortSignal,
): Promise<ReadResult> {
  const { estimator, account } = reading;
  const time = now();
  const search = searches(reading.learnedAt, time);
  // A clock that was ahead and is right again writes before what it wrote last.
  const usualFrom = Math.max(Math.min(reading.readThrough, time) - lookBackMs, time - rebuildMs);
  const usualTo = Math.max(time, reading.readThrough) + clockSkewMs;
  const to = search ? Math.max(usualTo, time + searchAheadMs) : usualTo;
  const lookedBackTo = reading.readThrough;
  const marks = new Map(account.refused.map((mark) => [mark, true]));
  const rejected: Record<string, number> = {};
  let windowsTaken = 0;
  let faults = 0;
  let newest = 0;
  let from = search ? time - rebuildMs : usualFrom;

  /** Counts what is odd about the item under `key` once, however often it is read. */
  const refuse = (key: string, endedAt: number, reasons: readonly string[]): void => {
    const mark = createHash("sha256").update(key).digest("base64url").slice(0, 8);
    const again = marks.has(mark) || (marks.size >= mostMarks && endedAt <= lookedBackTo);
    for (const reason of reasons) add(rejected, again ? "duplicate" : reason);
    if (again) return;
    marks.set(mark, true);
    newest = Math.max(newest, endedAt);
    for (const reason of reasons) {
      add(account.rejected, reason);
      if (reason !== idle) faults++;
    }
  };
  const take = (window: StoredWindow): void => {
    const observed = estimator.observe([window]);
    const { duplicate = 0, ...odd } = observed.rejected;
    if (duplicate > 0) add(rejected, "duplicate");
    // What memory has summarised is refused as too late when it is read again, and was taken in its time.
    const summarised = odd["too-late"] !== undefined && window.firstTick < nextTickOf(account, window.epoch);
    const reasons = Object.entries(odd).flatMap(([reason, times]) => Array.from({ length: times }, () => reason));
    if (reasons.length > 0 && !summarised) refuse(window.key, window.endedAt, reasons);
    if (observed.accepted === 0) return;
    windowsTaken++;
    newest = Math.max(newest, window.endedAt);
    follow(account, window);
    if (search && (window.endedAt < usualFrom || window.endedAt > usualTo)) account.outOfTime++;
  };

  for (;;) {
    const { windows, unreadable } = await readWindows(document, tables.windows, serverId, from, to, chunk);
    for (const item of unreadable) {
      refuse(item.key, lookedBackTo, ["unreadable"]);
      warn("window left out", { ...item });
    }
    for (const window of windows) take(window);
    const last = windows.at(-1)?.endedAt;
    if (last === undefined || windows.length + unreadable.length < chunk || signal.aborted) break;
    from = Math.max(last, from + 1);
  }
  reading.windows += windowsTaken;
  // Only what is new moves it: after a jump back, older windows with later times are read again.
  if (newest > 0) reading.readThrough = newest;
  account.refused = [...marks.keys()].slice(-mostMarks);
  return { windows: windowsTaken, faults, rejected };
}

/** The tick after the last one read of an epoch; 0 when none was. */
function nextTickOf({ epochs }: WindowAccount, epoch: string): number {
  return epochs.find((entry) => entry.epoch === epoch)?.nextTick ?? 0;
}

/** Keeps the account of ticks between the windows of an epoch that were never read; a late window fills its place. */
function follow(account: WindowAccount, { epoch, firstTick, ticks }: StoredWindow): void {
  const end = firstTick + ticks.length;
  const known = account.epochs.find((entry) => entry.epoch === epoch);
  if (!known) {
    account.epochs = [...account.epochs, { epoch, nextTick: end }].slice(-mostEpochs);
    return;
  }
  if (firstTick < known.nextTick) account.skippedTicks = Math.max(account.skippedTicks - ticks.length, 0);
  else account.skippedTicks += firstTick - known.nextTick;
  known.nextTick = Math.max(known.nextTick, end);
}

function add(into: Record<string, number>, reason: string): void {
  into[reason] = (into[reason] ?? 0) + 1;
}
