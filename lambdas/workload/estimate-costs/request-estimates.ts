/** Asks for an estimate of each server: one event each, so that one server's trouble is not another's. */
import { PutEventsCommand, type PutEventsCommandOutput } from "@aws-sdk/client-eventbridge";
import { estimateRequested } from "../../../platform/environment.ts";

export interface Bus {
  send(command: PutEventsCommand): Promise<PutEventsCommandOutput>;
}

/** EventBridge takes no more at once. */
const batchSize = 10;
const attempts = 2;

/**
 * Whatever is refused is asked for once more when all others have been.
 * @throws Error when the bus refused some again; all others are asked for by then
 */
export async function requestEstimates(bus: Bus, busName: string, serverIds: readonly string[]): Promise<void> {
  let left = serverIds;
  let reason: unknown;
  for (let attempt = 1; attempt <= attempts && left.length > 0; attempt++) {
    const refused: string[] = [];
    for (let start = 0; start < left.length; start += batchSize) {
      const batch = left.slice(start, start + batchSize);
      const Entries = batch.map((serverId) => ({
        EventBusName: busName,
        Source: estimateRequested.source,
        DetailType: estimateRequested.detailType,
        Detail: JSON.stringify({ serverId }),
      }));
      try {
        const answer = await bus.send(new PutEventsCommand({ Entries }));
        batch.forEach((serverId, i) => {
          const { ErrorCode, ErrorMessage } = answer.Entries?.[i] ?? {};
          if (ErrorCode === undefined) return;
          refused.push(serverId);
          reason = ErrorMessage ?? ErrorCode;
        });
      } catch (error) {
        refused.push(...batch);
        reason = error;
      }
    }
    left = refused;
  }
  if (left.length === 0) return;
  const why = reason instanceof Error ? reason.message : reason;
  const which = `${left.slice(0, 3).join(", ")}${left.length > 3 ? ", ..." : ""}`;
  throw new Error(`the bus refused ${left.length} of ${serverIds.length} requests (${which}): ${why}`, {
    cause: reason,
  });
}
