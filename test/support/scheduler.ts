/** A scheduler as a process of its own, and the costs that it is to find in the tables. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { createDocument } from "../../platform/aws.ts";
import { systemClock } from "../../platform/clock.ts";
import type { WorkloadEnvironment } from "../../platform/environment.ts";
import { type SchedulerStatus, schedulerStatus } from "../../platform/scheduler-status.ts";
import { batchWrite } from "../../platform/tables/batch-write.ts";
import { costItem, type StoredCost, versionItemId } from "../../platform/tables/costs.ts";
import type { Scheduler } from "../../services/scheduler/scheduler.ts";
import type { Served } from "../../services/scheduler/status.ts";
import type { Engine } from "../../sim-server/database/engine.ts";

export interface SchedulerProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Undefined while it does not answer. */
  status(): Promise<SchedulerStatus | undefined>;
  /** Resolves with the exit status, or the signal's name. */
  end(signal: NodeJS.Signals): Promise<number | string>;
}

/** What a process says that it serves. Throws when it ends first. */
export async function listeningUrl(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new TypeError("its standard output must be a pipe");
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`${child.spawnargs.at(-1)} ended with ${code} before it listened`);
  });
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), "line"), ended]);
  ended.catch(() => {});
  return String(line).replace("listening ", "");
}

export async function startScheduler(
  environment: WorkloadEnvironment & Readonly<Record<string, string>>,
  settings: Readonly<Record<string, string>>,
): Promise<SchedulerProcess> {
  const child = spawn(process.execPath, ["services/scheduler/main.ts"], {
    env: { ...process.env, ...environment, STATUS_PORT: "0", ...settings },
    stdio: ["ignore", "pipe", process.env.EVENKEEL_TEST_OUTPUT ? "inherit" : "ignore"],
  });
  const url = await listeningUrl(child);
  return {
    child,
    url,
    async status() {
      const answer = await fetch(`${url}/status`).catch(() => undefined);
      return answer?.ok ? schedulerStatus.parse(await answer.json()) : undefined;
    },
    async end(signal) {
      const exited = once(child, "exit");
      child.kill(signal);
      const [code, killedBy] = await exited;
      return killedBy ?? code;
    },
  };
}

/** Writes the true costs into the tables, as if they had been learned to the integer. */
export async function writeTrueCosts(
  environment: WorkloadEnvironment,
  serverId: string,
  engine: Engine,
): Promise<void> {
  await writeCosts(environment, serverId, trueCosts(engine));
}

/** An engine's costs as if they had been learned to the integer. */
export function trueCosts(engine: Engine): [queryId: string, cost: StoredCost][] {
  const lastSeenAt = Date.now();
  return Array.from(engine.truth(), ([queryId, mean]) => [
    queryId,
    { mean, sd: [0.1, 0.1, 0.1], seen: 100, lastSeenAt },
  ]);
}

/** Writes costs into the tables, as if they had been learned. */
export async function writeCosts(
  environment: Pick<WorkloadEnvironment, "EVENKEEL_COSTS_TABLE">,
  serverId: string,
  costs: Iterable<readonly [queryId: string, cost: StoredCost]>,
): Promise<void> {
  const document = createDocument({ ...environment });
  const TableName = environment.EVENKEEL_COSTS_TABLE;
  const now = Date.now();
  const writes = Array.from(costs, ([queryId, cost]) => ({
    table: TableName,
    identity: `${serverId} ${queryId}`,
    item: { ...costItem(serverId, queryId, cost) },
  }));
  await batchWrite(document, writes, { sleep: systemClock.sleep, random: Math.random });
  const version = {
    serverId,
    queryId: versionItemId,
    format: 1,
    version: 1,
    published: 1,
    estimatedAt: now,
    stateKey: "none",
    windows: 100,
    readThrough: now,
    prior: { mean: [45, 45, 45], sd: [20, 20, 20], seen: 0, lastSeenAt: 0 },
    quality: {},
  };
  await document.send(new PutCommand({ TableName, Item: version }));
  document.destroy();
}

/** Routes' source for one scheduler of a server that is shared with nobody. */
export function servedAlone(scheduler: Omit<Scheduler, "brief" | "fenced">): Served {
  const complete: Scheduler = {
    ...scheduler,
    fenced: true,
    brief: () => ({ serverId: "s", mode: "waiting", reason: null, inBand: null, costsAgeSeconds: null }),
  };
  const servers = [
    { serverId: "s", url: "http://127.0.0.1:9000", mode: "waiting" as const, reason: null, timeShare: 0 },
  ];
  return {
    only: () => complete,
    scheduler: (serverId) => (serverId === "s" ? complete : undefined),
    shared: false,
    elsewhere: async () => undefined,
    status: () => ({
      name: null,
      members: [],
      registered: 1,
      withoutLease: 0,
      withoutRoom: [],
      trouble: null,
      servers,
    }),
  };
}
