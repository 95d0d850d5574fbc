/** One server as a process steers it: who it is, its lease, its scheduler, and a new start after whatever goes wrong. */
import { randomInt, randomUUID } from "node:crypto";
import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { createPacing } from "../../core/workload/pacing/pacing.ts";
import { createSteering } from "../../core/workload/steering/steering.ts";
import type { SteeringApi } from "../../core/workload/types.ts";
import type { Clock } from "../../platform/clock.ts";
import { ConfigError } from "../../platform/config.ts";
import { createLease, createLeaseStore, type Lease } from "../../platform/lease.ts";
import { describeError, type Log, logWith } from "../../platform/log.ts";
import type { Reach } from "../../platform/server-address.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { ServerError } from "../../platform/server-errors.ts";
import type { Costs } from "../../platform/tables/costs.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import { createScheduler, requestTimeoutMs, type Scheduler } from "./scheduler.ts";
import type { TimeShare } from "./steering-loop.ts";
import { createSchedulerStore } from "./store.ts";

/** A server that is to be steered. */
export interface Target {
  /** Undefined: whichever answers there. */
  readonly serverId: string | undefined;
  readonly url: string;
}

/** What all servers of a process share. */
export interface Surroundings {
  readonly document: DynamoDBDocumentClient;
  readonly eventBridge: EventBridgeClient;
  readonly tables: { readonly scheduler: string; readonly costs: string };
  readonly busName: string;
  readonly readCosts: (serverId: string) => Promise<Costs>;
  /** Sent to every server. */
  readonly token: string | undefined;
  readonly reach: Reach;
  readonly slot: string;
  readonly api: SteeringApi;
  /** A longer event or answer of a server is refused. */
  readonly maxCharacters?: number;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SteeredServer {
  /** Undefined until the server has answered, as its scheduler is. */
  readonly serverId: string | undefined;
  readonly scheduler: Scheduler | undefined;
  /** Whether its lease is held. */
  readonly holds: boolean;
  /** Why it does not run; null while it does. */
  readonly trouble: string | null;
  /** Lets another process take the lease, while this one steers on; undefined: no other. */
  handOver(to: string | undefined): void;
  /** Saves, frees the lease and ends; again does nothing. */
  stop(): Promise<void>;
}

export interface SteerOptions {
  readonly share?: TimeShare;
  /** Told each time that the server has answered and its scheduler exists. */
  readonly onReady?: (scheduler: Scheduler, serverId: string) => void;
  /** Takes what cannot be mended by waiting; it is tried again all the same. */
  readonly onFailure?: (error: unknown) => void;
}

const retryMs = 5_000;

/** Steers from now on. */
export function steerServer(
  target: Target,
  around: Surroundings,
  { share, onReady, onFailure }: SteerOptions = {},
): SteeredServer {
  const stopping = new AbortController();
  const { clock } = around;
  const log = target.serverId === undefined ? around.log : logWith(around.log, { serverId: target.serverId });
  let scheduler: Scheduler | undefined;
  let lease: Lease | undefined;
  let serverId = target.serverId;
  let heir: string | undefined;
  let trouble: string | null = null;

  async function steer(signal: AbortSignal): Promise<void> {
    const client = createServerClient({
      ...around,
      url: target.url,
      random: Math.random,
      requestTimeoutMs,
    });
    const onWait = (error: string) => {
      if (trouble !== error) log.warn("waiting for the server", { error });
      trouble = error;
    };
    const server = await identify(client.server, target, { signal, clock, onWait });
    if (!server) return;
    trouble = null;
    const id = server.serverId;
    serverId = id;
    lease = createLease({
      store: createLeaseStore(around.document, around.tables.scheduler, id),
      slot: around.slot,
      clock,
      nonce: randomUUID,
      onTrouble: (why) => log.info("no lease", { trouble: why }),
    });
    lease.offer(heir);
    scheduler = createScheduler({
      serverUrl: target.url,
      server,
      slot: around.slot,
      client,
      lease,
      store: createSchedulerStore({
        serverId: id,
        document: around.document,
        eventBridge: () => around.eventBridge,
        tables: around.tables,
        busName: around.busName,
        readCosts: () => around.readCosts(id),
      }),
      createSteering: (given) =>
        given.clockwork.spread ? createPacing(given) : createSteering({ ...given, seed: randomInt(2 ** 32) }),
      api: around.api,
      share,
      clock,
      log,
    });
    onReady?.(scheduler, id);
    await scheduler.run(signal);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const attempt = new AbortController();
      try {
        await steer(AbortSignal.any([stopping.signal, attempt.signal]));
      } catch (error) {
        const why = describeError(error);
        if (trouble !== why) log.error("the server is not steered", { error: why });
        trouble = why;
        onFailure?.(error);
      } finally {
        attempt.abort();
        await lease?.release().catch(() => {});
        scheduler = undefined;
        lease = undefined;
      }
      await clock.sleep(retryMs, stopping.signal);
    }
  }

  const running = run();
  return {
    get serverId() {
      return serverId;
    },
    get scheduler() {
      return scheduler;
    },
    get holds() {
      return (lease?.remainingMs() ?? 0) > 0;
    },
    get trouble() {
      return trouble;
    },
    handOver(to) {
      heir = to;
      lease?.offer(to);
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Asks the server who it is, until it answers; undefined when `signal` aborts first. */
async function identify(
  ask: () => Promise<ServerInfo>,
  { serverId, url }: Target,
  { signal, clock, onWait }: { signal: AbortSignal; clock: Clock; onWait: (why: string) => void },
): Promise<ServerInfo | undefined> {
  for (let pauseMs = 500; !signal.aborted; pauseMs = Math.min(1.1 * pauseMs, 5_000)) {
    try {
      const server = await ask();
      if (serverId !== undefined && server.serverId !== serverId) {
        throw new ConfigError(`${url} leads to server ${server.serverId}, not ${serverId}`);
      }
      return server;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      onWait(error.message);
      await clock.sleep(pauseMs, signal);
    }
  }
  return undefined;
}
