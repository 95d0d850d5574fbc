import { type EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { estimateRequested } from "../../platform/environment.ts";
import { type Costs, readCostsVersion } from "../../platform/tables/costs.ts";
import { readState, writeState } from "../../platform/tables/scheduler-state.ts";

/** What a scheduler reads and writes of one server's state. Every call may throw when the cloud does not answer. */
export interface SchedulerStore {
  /** What a person wrote as knobs, unchecked; undefined when nothing. */
  readKnobs(): Promise<unknown>;
  writeKnobs(value: unknown): Promise<void>;
  /** What the scheduler before this one saved, unchecked; undefined when nothing. */
  readPlan(): Promise<unknown>;
  writePlan(value: unknown, fence: number): Promise<"written" | "stale">;
  /** 0 before the first estimate. */
  readCostsVersion(): Promise<number>;
  readCosts(): Promise<Costs>;
  requestEstimate(): Promise<void>;
}

export interface StoreSettings {
  readonly serverId: string;
  readonly document: DynamoDBDocumentClient;
  readonly eventBridge: () => EventBridgeClient;
  readonly tables: { readonly scheduler: string; readonly costs: string };
  readonly busName: string;
  readonly readCosts: () => Promise<Costs>;
}

export function createSchedulerStore({
  serverId,
  document,
  eventBridge,
  tables,
  busName,
  readCosts,
}: StoreSettings): SchedulerStore {
  return {
    readKnobs: async () => (await readState(document, tables.scheduler, serverId, "knobs"))?.value,
    async writeKnobs(value) {
      // Without a fence: any scheduler of this server, and the command line, may write a person's wishes.
      if ((await writeState(document, tables.scheduler, serverId, "knobs", value, 0)) === "stale")
        throw new Error(`item knobs of table ${tables.scheduler} was written with a fence: delete it`);
    },
    readPlan: async () => (await readState(document, tables.scheduler, serverId, "plan"))?.value,
    writePlan: (value, fence) => writeState(document, tables.scheduler, serverId, "plan", value, fence),
    readCostsVersion: () => readCostsVersion(document, tables.costs, serverId),
    readCosts,
    async requestEstimate() {
      const { source, detailType } = estimateRequested;
      const Entries = [
        { EventBusName: busName, Source: source, DetailType: detailType, Detail: JSON.stringify({ serverId }) },
      ];
      const answer = await eventBridge().send(new PutEventsCommand({ Entries }));
      const failed = answer.Entries?.find(({ ErrorCode }) => ErrorCode !== undefined);
      if (failed) throw new Error(`the bus ${busName} refused the event: ${failed.ErrorCode} ${failed.ErrorMessage}`);
    },
  };
}
