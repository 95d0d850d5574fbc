/** A PostgreSQL with its loop, brought up once for several runs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { LoadName } from "../../demo/postgres/reports.ts";
import { DemoApplication } from "../../local/demo-application.ts";
import { defaultDirectory } from "../../local/paths.ts";
import { freePort } from "../../local/ports.ts";
import { createPostgresSession } from "../../local/session.ts";
import { writeTpchQueries } from "../../local/tpch.ts";
import { createDocument } from "../../platform/aws.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { readCosts } from "../../platform/tables/costs.ts";
import { Meter } from "./meter.ts";

/** What is read of the scheduler's status. `floor.width`: half the narrowest band that can be kept, relative; `reason`: why. */
const status = z.object({
  mode: z.string(),
  lateShare: z.number().nullable(),
  floor: z.object({ width: z.number(), reason: z.string() }).optional(),
});

export interface Stand {
  readonly load: LoadName;
  readonly meter: Meter;
  /** Starts the application; it ends with the stand at the latest. `cycle`: see `DemoApplicationOptions`. */
  start(mode: "observe" | "enforce", options: { prepare: boolean; cycle: number }): DemoApplication;
  /** What the scheduler says of itself; undefined while it does not answer. */
  askScheduler(): Promise<z.infer<typeof status> | undefined>;
  /** What was learned by now: a query's CPU ms, their standard deviation, and its duration in ms, by its id. */
  learned(): Promise<ReadonlyMap<string, { cpuMs: number; sd: number; durationMs: number }>>;
  /** When one of the gatekeeper's windows ended, Unix ms. */
  windowEnd(): Promise<number>;
  stop(): Promise<void>;
}

export async function openStand(
  load: LoadName,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<Stand> {
  const directory = await mkdtemp(join(tmpdir(), "evenkeel-bench-"));
  const session = createPostgresSession({
    directory,
    cloudPort: await freePort(),
    schedulerPort: await freePort(),
    consolePort: 0,
    latencyP95Seconds: 12,
    // Its data takes longer to make than the bench, and is the same every time.
    postgres: { gatekeeperPort: await freePort(), directory: join(defaultDirectory, "bench") },
    onTrouble: say,
    signal,
  });
  let meter: Meter | undefined;
  let application: DemoApplication | undefined;
  const stop = async () => {
    if (application?.running) await application.stop();
    await meter?.stop();
    await session.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const queriesFile = load === "tpch" ? await writeTpchQueries(directory, signal) : undefined;
    for (const step of session.steps) if (!step.title.includes("console")) await step.run(() => {});
    const server = session.postgres();
    if (!server) throw new Error("PostgreSQL is not up");
    meter = new Meter(server.pid);
    return {
      load,
      meter,
      start(mode, { prepare, cycle }) {
        application = new DemoApplication({
          ...{ load, mode, prepare, cycle, queriesFile },
          environment: session.environment(),
          databaseUrl: server.tpchUrl,
          gatekeeperUrl: session.serverUrl,
        });
        return application;
      },
      async askScheduler() {
        try {
          const response = await fetch(`${session.schedulerUrl}/status`, { signal: AbortSignal.timeout(2_000) });
          return status.parse(await response.json());
        } catch {
          return undefined;
        }
      },
      async learned() {
        const environment = workloadEnvironment.parse(session.environment());
        const document = createDocument(session.environment());
        try {
          const { costs } = await readCosts(document, environment.EVENKEEL_COSTS_TABLE, session.serverId);
          return new Map(
            Array.from(costs, ([id, { mean, sd, durationMs = 0 }]) => [id, { cpuMs: mean[0], sd: sd[0], durationMs }]),
          );
        } finally {
          document.destroy();
        }
      },
      async windowEnd() {
        const { EVENKEEL_TOKEN: token = "" } = session.environment();
        const headers = { Authorization: `Bearer ${token}` };
        const response = await fetch(`${session.serverUrl}/resources`, { headers });
        return z.object({ timestamp: z.number() }).parse(await response.json()).timestamp;
      },
      stop,
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
}
