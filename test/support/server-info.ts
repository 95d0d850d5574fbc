/** What a server says of itself. */
import type { ServerInfo } from "../../platform/wire.ts";

/** An outbox that holds nothing. */
export const idleOutbox = {
  incarnation: "i",
  lastSequence: 0,
  recordedThrough: 0,
  waiting: 0,
  bytes: 0,
  lastSentAt: null,
  trouble: null,
} satisfies ServerInfo["outbox"];

interface Differing extends Partial<Omit<ServerInfo, "outbox">> {
  readonly outbox?: Partial<ServerInfo["outbox"]>;
}

/** A native server in its first tick that has executed nothing, but for what `of` says. */
export function serverInfo(serverId: string, { outbox, ...of }: Differing = {}): ServerInfo {
  return {
    ...{ serverId, kind: "native", epoch: "epoch", tick: 1, tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 },
    counted: { executions: 0, windows: 0, gaps: 0 },
    ...of,
    outbox: { ...idleOutbox, ...outbox },
  };
}
