/** Puts many items, in any order, into any of the tables, with as few requests as DynamoDB allows. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { batchPut } from "./batch-put.ts";
import type { TableItem } from "./keys.ts";

const batchSize = 25;

export interface Write {
  readonly table: string;
  /** The item's primary key as one text; of writes with equal table and identity only the last is sent. */
  readonly identity: string;
  readonly item: TableItem;
}

export interface RefusedWrite<W extends Write> {
  readonly write: W;
  readonly reason: string;
}

export interface BatchWriteOptions {
  readonly sleep: (ms: number) => Promise<void>;
  /** Uniform in [0, 1): jitter of the back-off. */
  readonly random: () => number;
  /** Requests in flight. */
  readonly concurrency?: number;
  /** Attempts on what the store leaves unprocessed. */
  readonly attempts?: number;
  /** Ends what is under way: the call then throws an AbortError. */
  readonly signal?: AbortSignal;
}

/** The store keeps leaving items unprocessed: it is overloaded, try later. */
export class StoreOverloadedError extends Error {
  override readonly name = "StoreOverloadedError";
}

/**
 * Writes everything, or throws what the store said (network, throttling, `StoreOverloadedError`): then any part may have
 * been written. An item that the store refuses as such (too large, say) is returned and does not hold up the others.
 */
export async function batchWrite<W extends Write>(
  document: DynamoDBDocumentClient,
  writes: readonly W[],
  options: BatchWriteOptions,
): Promise<RefusedWrite<W>[]> {
  const unique = [...new Map(writes.map((write) => [`${write.table} ${write.identity}`, write])).values()];
  const batches: W[][] = [];
  for (let start = 0; start < unique.length; start += batchSize) batches.push(unique.slice(start, start + batchSize));
  const refused: RefusedWrite<W>[] = [];
  const queue = batches.values();
  const worker = async (): Promise<void> => {
    for (const batch of queue) refused.push(...(await writeBatch(document, batch, options)));
  };
  await Promise.all(Array.from({ length: Math.min(options.concurrency ?? 4, batches.length) }, worker));
  return refused;
}

async function writeBatch<W extends Write>(
  document: DynamoDBDocumentClient,
  batch: readonly W[],
  options: BatchWriteOptions,
): Promise<RefusedWrite<W>[]> {
  try {
    await putAll(document, batch, options);
    return [];
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "ValidationException") throw error;
    const [only, ...more] = batch;
    if (only === undefined) return [];
    if (more.length === 0) return [{ write: only, reason: error.message }];
    const half = Math.ceil(batch.length / 2);
    return [
      ...(await writeBatch(document, batch.slice(0, half), options)),
      ...(await writeBatch(document, batch.slice(half), options)),
    ];
  }
}

async function putAll(
  document: DynamoDBDocumentClient,
  batch: readonly Write[],
  options: BatchWriteOptions,
): Promise<void> {
  const attempts = options.attempts ?? 8;
  let items: Record<string, TableItem[]> = {};
  for (const { table, item } of batch) {
    items[table] ??= [];
    items[table].push(item);
  }
  for (let attempt = 1; ; attempt += 1) {
    const { UnprocessedItems } = await document.send(batchPut(items), {
      ...(options.signal ? { abortSignal: options.signal } : {}),
    });
    const left = Object.values(UnprocessedItems ?? {}).reduce((sum, group) => sum + group.length, 0);
    if (left === 0) return;
    if (attempt === attempts) throw new StoreOverloadedError(`${left} of ${batch.length} items left unprocessed`);
    items = Object.fromEntries(
      Object.entries(UnprocessedItems ?? {}).map(([table, group]) => [
        table,
        group.map(({ PutRequest }) => PutRequest?.Item ?? {}),
      ]),
    );
    await options.sleep(options.random() * Math.min(2_000, 50 * 2 ** attempt));
  }
}
