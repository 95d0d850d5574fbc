/** What the console reads of the tables and the queue. Every call may throw when the cloud does not answer. */
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { auditServer, type IncarnationAudit, type ServerAudit } from "../../platform/audit.ts";
import type { Aws } from "../../platform/aws.ts";
import type { WorkloadEnvironment } from "../../platform/environment.ts";
import type { Range } from "../../platform/range-set.ts";
import { type Costs, readCosts, readCostsVersion } from "../../platform/tables/costs.ts";
import { type ExecutionItem, readExecutions } from "../../platform/tables/executions.ts";
import { readReceiptItems } from "../../platform/tables/receipts.ts";
import { readWindows, type StoredWindow } from "../../platform/tables/windows.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import type { AuditWord } from "./contract/live.ts";

const sizeOf = (ranges: readonly Range[]) => ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);

function wordOf({ at, incarnations }: ServerAudit): AuditWord {
  const sum = (read: (incarnation: IncarnationAudit) => number) =>
    incarnations.reduce((total, incarnation) => total + read(incarnation), 0);
  const lost = sum((of) => sizeOf(of.lost));
  const deadLettered = sum((of) => of.deadLettered);
  return {
    at,
    complete: lost === 0 && deadLettered === 0,
    executed: sum((of) => of.executed),
    recorded: sum((of) => of.recorded),
    onTheWay: sum((of) => sizeOf(of.missing)) - lost,
    lost,
    deadLettered,
    discarded: sum((of) => of.discarded),
    expired: sum((of) => of.expired),
    gaps: sum((of) => of.gaps),
  };
}

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
  /** What a query executed between two Unix times in ms, oldest first. */
  executions(serverId: string, queryId: string, fromMs: number, toMs: number): Promise<ExecutionItem[]>;
  /** The row of an execution that ran at about `ranAt` (Unix ms); undefined while there is none. */
  findExecution(
    serverId: string,
    queryId: string,
    executionId: string,
    ranAt: number,
  ): Promise<ExecutionItem | undefined>;
  /** When a row was recorded, by its receipt (Unix ms); null while there is none. */
  recordedAt(serverId: string, incarnation: string, sequence: number): Promise<number | null>;
  queueDepth(): Promise<QueueDepth>;
  audit(server: ServerInfo, now: number): Promise<AuditWord>;
}

/** Around the time at which something is said to have run. */
const nearMs = 2_000;
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
    async executions(serverId, queryId, fromMs, toMs) {
      return (await readExecutions(document, names.EVENKEEL_EXECUTIONS_TABLE, serverId, queryId, fromMs, toMs))
        .executions;
    },
    async findExecution(serverId, queryId, executionId, ranAt) {
      const [from, to] = [ranAt - nearMs, ranAt + nearMs];
      const { executions } = await readExecutions(
        document,
        names.EVENKEEL_EXECUTIONS_TABLE,
        serverId,
        queryId,
        from,
        to,
      );
      return executions.find((item) => item.executionId === executionId);
    },
    async recordedAt(serverId, incarnation, sequence) {
      const range = { first: sequence, last: sequence };
      const items = readReceiptItems(document, names.EVENKEEL_EXECUTIONS_TABLE, serverId, incarnation, range);
      for await (const { recordedAt } of items) return recordedAt;
      return null;
    },
    async queueDepth() {
      const [queue, letters] = await Promise.all([
        attributes(names.EVENKEEL_QUEUE_URL),
        attributes(names.EVENKEEL_DLQ_URL),
      ]);
      return { ...queue, deadLetters: letters.waiting + letters.inFlight };
    },
    audit: async (server, now) => wordOf(await auditServer({ document, sqs, names, server, now })),
  };
}
