/** Reads costs in a thread of its own: unpacking ten thousand takes longer than a tick may wait. */
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { z } from "zod";
import { createDocument } from "../../platform/aws.ts";
import { describeError } from "../../platform/log.ts";
import { type Costs, readCosts } from "../../platform/tables/costs.ts";
import { type CostsMessage, numbersPerCost } from "./costs-reader.ts";

const { table, serverId } = z.object({ table: z.string(), serverId: z.string() }).parse(workerData);
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

parentPort?.on("message", async () => {
  try {
    const message = packed(await readCosts(document, table, serverId));
    parentPort?.postMessage(message, [message.values.buffer]);
  } catch (error) {
    parentPort?.postMessage(describeError(error));
  }
});
