import { randomInt, randomUUID } from "node:crypto";
import { z } from "zod";
import { createPacing } from "../../core/workload/pacing/pacing.ts";
import { createSteering } from "../../core/workload/steering/steering.ts";
import { createDocument, createEventBridge } from "../../platform/aws.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { ConfigError, nameList, parseEnvironment, port, token } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { listen } from "../../platform/http.ts";
import { createLease, createLeaseStore } from "../../platform/lease.ts";
import { createLog } from "../../platform/log.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { raisePriority } from "../../platform/priority.ts";
import { reachOf, reachVariables } from "../../platform/server-address.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { ServerError } from "../../platform/server-errors.ts";
import { runService } from "../../platform/service.ts";
import { readCosts } from "../../platform/tables/costs.ts";
import { identifier, type ServerInfo } from "../../platform/wire.ts";
import { createCostsReader } from "./costs-reader.ts";
import { createKnobSink } from "./knob-sink.ts";
import { reportMetrics } from "./report-metrics.ts";
import { createScheduler, requestTimeoutMs } from "./scheduler.ts";
import { createStatusApp } from "./status.ts";
import { createSchedulerStore } from "./store.ts";

const environment = workloadEnvironment
  .pick({
    EVENKEEL_COSTS_TABLE: true,
    EVENKEEL_SCHEDULER_TABLE: true,
    EVENKEEL_BUS_NAME: true,
  })
  .extend({
    /** Where the server is, unless Parameter Store has the word. */
    EVENKEEL_SERVER_URL: z.string().optional(),
    /** Path of this scheduler's parameters in Parameter Store. */
    EVENKEEL_PARAMETERS: z.string().startsWith("/").optional(),
    ...reachVariables,
    EVENKEEL_SERVER_ID: identifier.optional(),
    EVENKEEL_SLOT: identifier.default("scheduler-1"),
    EVENKEEL_API: z.enum(["place", "delay"]).default("place"),
    STATUS_PORT: port.default(9010),
    STATUS_HOST: z.string().default("127.0.0.1"),
    EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
    EVENKEEL_TOKEN: token,
    /** Sent to the server; by default the scheduler's own, as where both belong to one deployment. */
    EVENKEEL_SERVER_TOKEN: token,
  });

const log = createLog("scheduler");
/** A stop waits no longer than this for the plan to be saved and the lease to be freed. */
const stopMs = 1_700;

/** Asks the server who it is, until it answers. */
async function identify(ask: () => Promise<ServerInfo>, expected: string | undefined, signal: AbortSignal) {
  for (let said = false; !signal.aborted; said = true) {
    try {
      const server = await ask();
      if (expected !== undefined && server.serverId !== expected) {
        throw new ConfigError(`EVENKEEL_SERVER_URL leads to server ${server.serverId}, not ${expected}`);
      }
      return server;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (!said) log.warn("waiting for the server", { error: error.message });
      await clock.sleep(500, signal);
    }
  }
  return undefined;
}

/** Loaded only where it is used: a scheduler steers again within two seconds of its start. */
async function openParameters(path: string | undefined) {
  if (path === undefined) return undefined;
  const { createParameterReader, ParameterWatch } = await import("./parameters.ts");
  return new ParameterWatch({ read: createParameterReader(process.env, path), clock, log });
}

/** The first time here, as nothing is steered yet and a thread takes time to start; then by a thread of their own. */
function readCostsOf(document: ReturnType<typeof createDocument>, table: string, serverId: string) {
  const reader = createCostsReader({ table, serverId, environment: process.env });
  let first = true;
  return () => {
    const here = first;
    first = false;
    return here ? readCosts(document, table, serverId) : reader.read();
  };
}

/** The scheduler as a process. Settings: environment variables, see `environment`. */
async function main(stop: AbortController): Promise<void> {
  const { signal } = stop;
  raisePriority();
  const settings = parseEnvironment(environment, process.env);
  if (!settings.EVENKEEL_SERVER_URL && !settings.EVENKEEL_PARAMETERS)
    throw new ConfigError("environment: EVENKEEL_SERVER_URL is missing");
  signal.addEventListener("abort", () => {
    setTimeout(() => {
      log.warn("stopped without waiting any longer for the tables");
      process.exit(0);
    }, stopMs).unref();
  });

  const status = createStatusApp(log, {
    allowedHosts: settings.EVENKEEL_ALLOWED_HOSTS,
    token: settings.EVENKEEL_TOKEN,
  });
  const listening = await listen(status.app, { host: settings.STATUS_HOST, port: settings.STATUS_PORT });
  process.stdout.write(`listening ${listening.url}\n`);
  const document = createDocument(process.env);
  const eventBridge = createEventBridge(process.env);
  try {
    const parameters = await openParameters(settings.EVENKEEL_PARAMETERS);
    const serverUrl = parameters ? await parameters.address(signal) : settings.EVENKEEL_SERVER_URL;
    if (serverUrl === undefined) return;
    const moved = parameters?.run(serverUrl, signal).then((address) => {
      if (address !== undefined)
        log.info("the server's address was changed: ending, to start again with it", { address });
      stop.abort();
    });
    const client = createServerClient({
      url: serverUrl,
      token: settings.EVENKEEL_SERVER_TOKEN ?? settings.EVENKEEL_TOKEN,
      reach: reachOf(settings),
      clock,
      random: Math.random,
      requestTimeoutMs,
    });
    const server = await identify(client.server, settings.EVENKEEL_SERVER_ID, signal);
    if (!server) return;
    const { serverId } = server;
    const lease = createLease({
      store: createLeaseStore(document, settings.EVENKEEL_SCHEDULER_TABLE, serverId),
      slot: settings.EVENKEEL_SLOT,
      clock,
      nonce: randomUUID,
      onTrouble: (trouble) => log.info("no lease", { trouble }),
    });
    const scheduler = createScheduler({
      serverUrl,
      server,
      slot: settings.EVENKEEL_SLOT,
      client,
      lease,
      store: createSchedulerStore({
        serverId,
        document,
        eventBridge: () => eventBridge,
        tables: {
          scheduler: settings.EVENKEEL_SCHEDULER_TABLE,
          costs: settings.EVENKEEL_COSTS_TABLE,
        },
        busName: settings.EVENKEEL_BUS_NAME,
        readCosts: readCostsOf(document, settings.EVENKEEL_COSTS_TABLE, serverId),
      }),
      createSteering: (given) =>
        given.clockwork.spread ? createPacing(given) : createSteering({ ...given, seed: randomInt(2 ** 32) }),
      api: settings.EVENKEEL_API,
      clock,
      log,
    });
    status.serve(scheduler);
    parameters?.turn(createKnobSink(document, settings.EVENKEEL_SCHEDULER_TABLE, serverId, scheduler.changeKnobs));
    const publish = createMetrics("scheduler", process.env);
    await Promise.all([
      scheduler.run(signal),
      moved,
      publish && reportMetrics(publish, scheduler.status, clock, signal),
    ]);
  } finally {
    document.destroy();
    eventBridge.destroy();
    await listening.close();
  }
}

/** Runs until a signal or an error; then the process ends. */
export async function run(): Promise<void> {
  await runService(log, main);
}
