/** One run for one server: the state so far, the windows that came since, the costs that changed. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import type { Estimator } from "../../../core/workload/estimator/estimator.ts";
import { type BatchWriteOptions, batchWrite } from "../../../platform/tables/batch-write.ts";
import { costItem, readCosts, type VersionItem } from "../../../platform/tables/costs.ts";
import {
  type CurrentVersion,
  noteFaults,
  publish,
  readVersion,
  replaceVersion,
} from "../../../platform/tables/costs-version.ts";
import { changed } from "./changed.ts";
import { type Reading, readNew } from "./read-new.ts";
import { type StateStore, StateUnusableError } from "./state-store.ts";

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
  const { windows, faults, rejected } = await readNew(services, serverId, learned, reading);
  const { readThrough } = learned;
  const published = current.item?.published ?? 0;
  if (windows === 0 && published === current.version && (faults === 0 || current.item)) {
    // Nothing to learn from: that something was refused is told all the same.
    const account = { ...learned.account, readThrough };
    if (faults > 0) await noteFaults(document, tables.costs, serverId, current.version, account);
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
    ...learned.account,
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

async function restore(services: EstimateServices, serverId: string, item: CurrentVersion["item"]): Promise<Reading> {
  const fresh = {
    estimator: services.createEstimator(),
    windows: 0,
    readThrough: 0,
    account: { rejected: {}, refused: [], epochs: [], skippedTicks: 0, outOfTime: 0 },
    learnedAt: item?.estimatedAt,
  };
  if (!item) return fresh;
  const bytes = await readState(services, serverId, item);
  if (!bytes) return fresh;
  try {
    const { windows, readThrough, estimatedAt } = item;
    const { rejected = {}, refused = [], epochs = [], skippedTicks = 0, outOfTime = 0 } = item;
    const account = { rejected: { ...rejected }, refused, epochs, skippedTicks, outOfTime };
    return { estimator: services.restoreEstimator(bytes), windows, readThrough, account, learnedAt: estimatedAt };
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
