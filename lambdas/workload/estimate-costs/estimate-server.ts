/** One run for one server: the state so far, the windows that came since, the costs that changed. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Estimator } from "../../../core/workload/estimator/estimator.ts";
import { type BatchWriteOptions, batchWrite } from "../../../platform/tables/batch-write.ts";
import { costItem, readCosts, type VersionItem } from "../../../platform/tables/costs.ts";
import { type CurrentVersion, publish, readVersion, replaceVersion } from "../../../platform/tables/costs-version.ts";
import { readWindows } from "../../../platform/tables/windows.ts";
import { changed } from "./changed.ts";
import { type StateStore, StateUnusableError } from "./state-store.ts";

const minuteMs = 60_000;
/** Windows may arrive this much later than newer ones: read again, and left out by the estimator if it had them. */
const lookBackMs = 5 * minuteMs;
/** How far back a state without a past, or a server that was away, begins. */
const rebuildMs = 24 * 60 * minuteMs;
/** Servers' clocks may be ahead of ours. */
const clockSkewMs = 60 * minuteMs;
/** Windows read at a time: bounds memory. */
const chunk = 5_000;

export interface EstimateServices extends Pick<BatchWriteOptions, "sleep" | "random"> {
  readonly document: DynamoDBDocumentClient;
  readonly tables: { readonly windows: string; readonly costs: string };
  readonly states: StateStore;
  readonly createEstimator: () => Estimator;
  /** @throws Error when the bytes are of another version or damaged */
  readonly restoreEstimator: (bytes: Uint8Array) => Estimator;
  /** Unix ms. */
  readonly now: () => number;
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** `lost`: another run was faster, this one's work is discarded. `unchanged`: there was nothing new. */
export interface EstimateResult {
  readonly outcome: "published" | "unchanged" | "lost";
  readonly version: number;
  /** Windows new to the estimator, and costs written. */
  readonly windows: number;
  readonly costs: number;
  /** Windows that it did not take, by reason; those of the look-back that it had among them. */
  readonly rejected: Readonly<Record<string, number>>;
  /** End of the newest window in the table (Unix ms); 0 when there is none. */
  readonly readThrough: number;
}

interface Learned {
  readonly estimator: Estimator;
  windows: number;
  readThrough: number;
  /** Windows, or bands of windows, that could not be used, by reason. */
  readonly rejected: Record<string, number>;
}

/** `reading` aborts when it is time to write what is there: the next run reads on. */
export async function estimateServer(
  services: EstimateServices,
  serverId: string,
  reading: AbortSignal,
): Promise<EstimateResult> {
  const { document, tables, states } = services;
  const current = await readVersion(document, tables.costs, serverId);
  if (current.problem) services.warn("the version item cannot be used", { serverId, problem: current.problem });
  const learned = await restore(services, serverId, current.item);
  const before = learned.windows;
  const rejected = await readNew(services, serverId, learned, reading);
  const windows = learned.windows - before;
  const { readThrough } = learned;
  const published = current.item?.published ?? 0;
  if (windows === 0 && published === current.version) {
    return { outcome: "unchanged", version: current.version, windows, costs: 0, rejected, readThrough };
  }

  const version = current.version + 1;
  const { costs, prior, quality } = learned.estimator.estimate();
  const stateKey = await states.put(serverId, version, learned.estimator.save());
  const next = {
    version,
    published,
    estimatedAt: services.now(),
    stateKey,
    ...(current.item ? { previousStateKey: current.item.stateKey } : {}),
    windows: learned.windows,
    readThrough,
    prior,
    quality,
    rejected: learned.rejected,
  };
  if (!(await replaceVersion(document, tables.costs, serverId, current, next))) {
    await states.remove(stateKey);
    return { outcome: "lost", version: current.version, windows: 0, costs: 0, rejected, readThrough };
  }
  // Compared with the table rather than with the last run, so that a run that died here is made up for.
  const stored = await readCosts(document, tables.costs, serverId);
  const writes = [...costs]
    .filter(([queryId, cost]) => changed(stored.costs.get(queryId), cost))
    .map(([queryId, cost]) => ({
      table: tables.costs,
      identity: queryId,
      item: costItem(serverId, queryId, cost),
    }));
  const [refused] = await batchWrite(document, writes, services);
  if (refused) throw new Error(`the table refused the cost of ${refused.write.identity}: ${refused.reason}`);
  await publish(document, tables.costs, serverId, version);
  // Not the last one: a run that lost to this one may still be about to read it.
  if (current.item?.previousStateKey) await states.remove(current.item.previousStateKey);
  return { outcome: "published", version, windows, costs: writes.length, rejected, readThrough };
}

async function restore(services: EstimateServices, serverId: string, item: CurrentVersion["item"]): Promise<Learned> {
  const fresh = { estimator: services.createEstimator(), windows: 0, readThrough: 0, rejected: {} };
  if (!item) return fresh;
  const bytes = await readState(services, serverId, item);
  if (!bytes) return fresh;
  try {
    const { windows, readThrough, rejected = {} } = item;
    return { estimator: services.restoreEstimator(bytes), windows, readThrough, rejected: { ...rejected } };
  } catch (error) {
    services.warn("the state is of no use: learning again from the tables", { serverId, error });
    return fresh;
  }
}

async function readState(
  services: EstimateServices,
  serverId: string,
  item: VersionItem,
): Promise<Uint8Array | undefined> {
  try {
    return await services.states.get(item.stateKey);
  } catch (error) {
    if (!(error instanceof StateUnusableError)) throw error;
    services.warn("the state is of no use: learning again from the tables", { serverId, error });
    return undefined;
  }
}

/** Gives the estimator every window that may be new, oldest first, until there are no more or `reading` aborts. */
async function readNew(
  { document, tables, now, warn }: EstimateServices,
  serverId: string,
  learned: Learned,
  reading: AbortSignal,
): Promise<Record<string, number>> {
  const to = now() + clockSkewMs;
  const refused: Record<string, number> = {};
  const lookedBackTo = learned.readThrough;
  let from = Math.max(learned.readThrough - lookBackMs, now() - rebuildMs);
  for (;;) {
    const { windows, unreadable } = await readWindows(document, tables.windows, serverId, from, to, chunk);
    for (const item of unreadable) warn("window left out", { ...item });
    // What is read again is refused again: only the newer ones are counted for good.
    const again = learned.estimator.observe(windows.filter(({ endedAt }) => endedAt <= lookedBackTo));
    const fresh = learned.estimator.observe(windows.filter(({ endedAt }) => endedAt > lookedBackTo));
    count(refused, again.rejected);
    count(refused, fresh.rejected);
    count(learned.rejected, fresh.rejected);
    learned.windows += again.accepted + fresh.accepted;
    const last = windows.at(-1)?.endedAt;
    if (last === undefined) return refused;
    learned.readThrough = Math.max(learned.readThrough, last);
    if (windows.length + unreadable.length < chunk || reading.aborted) return refused;
    from = Math.max(last, from + 1);
  }
}

function count(into: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [reason, times] of Object.entries(more)) into[reason] = (into[reason] ?? 0) + times;
}
