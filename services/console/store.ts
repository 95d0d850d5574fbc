/** What the console reads of the tables and the queue. Every call may throw when the cloud does not answer. */
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import type { Aws } from "../../platform/aws.ts";
import type { WorkloadEnvironment } from "../../platform/environment.ts";
import { type Costs, readCosts, readCostsVersion } from "../../platform/tables/costs.ts";
import { readWindows, type StoredWindow } from "../../platform/tables/windows.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import type { AuditWord } from "./contract.ts";

export interface QueueDepth {
  readonly waiting: number;
  readonly inFlight: number;
  readonly deadLetters: number;
}

export type KnownCosts = Costs;

export interface ConsoleStore {
  /** Reads the costs again only where they are newer than `known`. */
  costs(serverId: string, known: KnownCosts | undefined): Promise<KnownCosts>;
  /** Windows that ended between two Unix times in ms, oldest first; at most `limit`. */
  windows(serverId: string, fromMs: number, toMs: number, limit?: number): Promise<StoredWindow[]>;
  queueDepth(): Promise<QueueDepth>;
  /** Undefined: not known. */
  audit(server: ServerInfo): Promise<AuditWord | undefined>;
}

/** A day of windows of a second. */
export const mostWindowsRead = 90_000;

export function createStore(
  { document, sqs }: Pick<Aws, "document" | "sqs">,
  names: WorkloadEnvironment,
): ConsoleStore {
  async function attributes(QueueUrl: string): Promise<{ waiting: number; inFlight: number }> {
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({
        QueueUrl,
        AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
      }),
    );
    return {
      waiting: Number(Attributes?.ApproximateNumberOfMessages ?? 0),
      inFlight: Number(Attributes?.ApproximateNumberOfMessagesNotVisible ?? 0),
    };
  }
  return {
    async costs(serverId, known) {
      const version = await readCostsVersion(document, names.EVENKEEL_COSTS_TABLE, serverId);
      if (known && known.version === version) return known;
      return readCosts(document, names.EVENKEEL_COSTS_TABLE, serverId);
    },
    async windows(serverId, fromMs, toMs, limit = mostWindowsRead) {
      return (await readWindows(document, names.EVENKEEL_WINDOWS_TABLE, serverId, fromMs, toMs, limit)).windows;
    },
    async queueDepth() {
      const [queue, letters] = await Promise.all([
        attributes(names.EVENKEEL_QUEUE_URL),
        attributes(names.EVENKEEL_DLQ_URL),
      ]);
      return { ...queue, deadLetters: letters.waiting + letters.inFlight };
    },
    audit: async () => undefined,
  };
}
