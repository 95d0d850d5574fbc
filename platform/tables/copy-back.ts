/** Copies what a restored table holds back into the table in use. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { type BatchWriteOptions, batchWrite, type Write } from "./batch-write.ts";
import { scan } from "./query.ts";

export interface CopyBack {
  /** `executions` or `resource-windows` as of an earlier second, and the table in use: names. */
  readonly from: string;
  readonly to: string;
  /** Only this server's; all by default. */
  readonly serverId?: string | undefined;
  /** Only count. */
  readonly dryRun?: boolean | undefined;
}

/** Items. */
export interface CopiedBack {
  rows: number;
  receipts: number;
  /** Tombstones, which are left out: a row that has neither receipt nor tombstone is sent again by its outbox. */
  tombstones: number;
  /** The table would not take them; no receipts are copied then. */
  refused: number;
}

const chunk = 500;

/**
 * Rows first, each under the key that is made of its content, so that one which is there already is written over by
 * itself; then, when all of them are there, the receipts that say so. Broken off anywhere it can be called again.
 * @param progress told now and then
 */
export async function copyBack(
  document: DynamoDBDocumentClient,
  { from, to, serverId, dryRun = false }: CopyBack,
  options: BatchWriteOptions,
  progress: (soFar: Readonly<CopiedBack>) => void = () => {},
): Promise<CopiedBack> {
  const copied: CopiedBack = { rows: 0, receipts: 0, tombstones: 0, refused: 0 };

  async function pass(kind: "rows" | "receipts"): Promise<void> {
    let waiting: Write[] = [];
    const write = async (): Promise<void> => {
      const refused = dryRun ? [] : await batchWrite(document, waiting, options);
      copied[kind] += waiting.length - refused.length;
      copied.refused += refused.length;
      waiting = [];
      progress(copied);
    };
    for await (const item of scan(document, from)) {
      const key = String(item.key);
      if (serverId !== undefined && !key.startsWith(`${serverId}#`)) continue;
      const isReceipt = key.endsWith("#receipts");
      if (key.endsWith("#tombstones")) {
        if (kind === "rows") copied.tombstones++;
      } else if (isReceipt === (kind === "receipts")) {
        waiting.push({ table: to, identity: `${key} ${item.at}`, item });
      }
      if (waiting.length >= chunk) await write();
    }
    await write();
  }

  await pass("rows");
  if (copied.refused === 0) await pass("receipts");
  return copied;
}
