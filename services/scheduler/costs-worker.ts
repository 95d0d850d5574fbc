/** Reads costs in a thread of its own: unpacking ten thousand takes longer than a tick may wait. */
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { createDocument } from "../../platform/aws.ts";
import { describeError } from "../../platform/log.ts";
import { type Costs, readCosts } from "../../platform/tables/costs.ts";
import { type CostsAnswer, type CostsMessage, type CostsRequest, numbersPerCost } from "./costs-reader.ts";

const { table } = z.object({ table: z.string() }).parse(workerData);
const document = createDocument(process.env);
// Of this thread alone: planning goes first.
setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);

/** Without an object per query, for those cost their reader time. */
function packed({ costs, ...rest }: Costs): CostsMessage {
  const values = new Float64Array(numbersPerCost * costs.size);
  let at = 0;
  for (const { mean, sd, seen, lastSeenAt, durationMs = Number.NaN } of costs.values()) {
    values.set([...mean, ...sd, seen, lastSeenAt, durationMs], at);
    at += numbersPerCost;
  }
  return { ...rest, queryIds: Array.from(costs.keys()).join("\n"), values };
}

parentPort?.on("message", async ({ id, serverId }: CostsRequest) => {
  const answer = (message: CostsAnswer, transfer: ArrayBuffer[] = []) => parentPort?.postMessage(message, transfer);
  try {
    const costs = packed(await readCosts(document, table, serverId));
    answer({ id, costs }, [costs.values.buffer]);
  } catch (error) {
    answer({ id, failed: describeError(error) });
  }
});
