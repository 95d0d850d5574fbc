import { randomUUID } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { z } from "zod";
import { createDocument, createEventBridge } from "../../platform/aws.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { ConfigError, nameList, parseEnvironment, port, positiveWholeNumber, token } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { listen } from "../../platform/http.ts";
import { isLoopbackHost } from "../../platform/http-guard.ts";
import { createLeaseStore } from "../../platform/lease.ts";
import { createLog } from "../../platform/log.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { raisePriority } from "../../platform/priority.ts";
import { reachOf, reachVariables } from "../../platform/server-address.ts";
import { runService } from "../../platform/service.ts";
import { readCosts } from "../../platform/tables/costs.ts";
import { readMembers, writeMember } from "../../platform/tables/fleet.ts";
import { listServers } from "../../platform/tables/servers.ts";
import { identifier } from "../../platform/wire.ts";
import { Allowance } from "./allowance.ts";
import { createCostsReader } from "./costs-reader.ts";
import { Fleet } from "./fleet.ts";
import { createKnobSink } from "./knob-sink.ts";
import { createMembership } from "./membership.ts";
import { reportFleet, reportMetrics } from "./report-metrics.ts";
import type { Scheduler } from "./scheduler.ts";
import { createStatusApp } from "./status.ts";
import { type Surroundings, steerServer, type Target } from "./steered-server.ts";

const environment = workloadEnvironment
  .pick({
    EVENKEEL_COSTS_TABLE: true,
    EVENKEEL_SCHEDULER_TABLE: true,
    EVENKEEL_BUS_NAME: true,
  })
  .extend({
    /** Where the server is, unless Parameter Store or the table of servers has the word. */
    EVENKEEL_SERVER_URL: z.string().optional(),
    /** Path of this scheduler's parameters in Parameter Store. */
    EVENKEEL_PARAMETERS: z.string().startsWith("/").optional(),
    /** `registered`: all of the table of servers, shared with other processes; or the names of some of them. */
    EVENKEEL_SERVERS: nameList.default([]),
    EVENKEEL_SERVERS_TABLE: z.string().optional(),
    /** Servers that this process takes at most, where it shares them. */
    EVENKEEL_CAPACITY: positiveWholeNumber.default(50),
    ...reachVariables,
    EVENKEEL_SERVER_ID: identifier.optional(),
    /** By default `scheduler-1`, and where servers are shared the machine's name and the port. */
    EVENKEEL_SLOT: identifier.optional(),
    EVENKEEL_API: z.enum(["place", "delay"]).default("place"),
    STATUS_PORT: port.default(9010),
    STATUS_HOST: z.string().default("127.0.0.1"),
    /** Where other processes of the fleet reach this one; by default the machine's own address. */
    EVENKEEL_ADVERTISED_URL: z.url({ protocol: /^https?$/ }).optional(),
    EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
    EVENKEEL_TOKEN: token,
    /** Sent to the servers; by default the scheduler's own, as where all belong to one deployment. */
    EVENKEEL_SERVER_TOKEN: token,
  });

const log = createLog("scheduler");
/** A stop waits no longer than this for plans to be saved and leases to be freed; one of many also hands them over. */
const stopMs = { alone: 1_700, shared: 8_000 };
/** Of an event or an answer, where others would wait while it is read: 50,000 waiting executions. */
const maxCharactersShared = 4 * 1024 * 1024;

/** Loaded only where it is used: a scheduler steers again within two seconds of its start. */
async function openParameters(path: string | undefined) {
  if (path === undefined) return undefined;
  const { createParameterReader, ParameterWatch } = await import("./parameters.ts");
  return new ParameterWatch({ read: createParameterReader(process.env, path), clock, log });
}

/** The first time here, as nothing is steered yet and a thread takes time to start; then by a thread of their own. */
function readCostsOf(document: ReturnType<typeof createDocument>, table: string) {
  const reader = createCostsReader({ table, environment: process.env });
  let first = true;
  return (serverId: string) => {
    const here = first;
    first = false;
    return here ? readCosts(document, table, serverId) : reader.read(serverId);
  };
}

/** The scheduler as a process. Settings: environment variables, see `environment`. */
async function main(stop: AbortController): Promise<void> {
  const { signal } = stop;
  raisePriority();
  const settings = parseEnvironment(environment, process.env);
  const shared = settings.EVENKEEL_SERVERS.length > 0;
  if (!shared && !settings.EVENKEEL_SERVER_URL && !settings.EVENKEEL_PARAMETERS)
    throw new ConfigError("environment: EVENKEEL_SERVER_URL is missing, or EVENKEEL_SERVERS for many");
  const serversTable = settings.EVENKEEL_SERVERS_TABLE;
  if (shared && serversTable === undefined) throw new ConfigError("environment: EVENKEEL_SERVERS_TABLE is missing");
  signal.addEventListener("abort", () => {
    setTimeout(
      () => {
        log.warn("stopped without waiting any longer for the tables");
        process.exit(0);
      },
      shared ? stopMs.shared : stopMs.alone,
    ).unref();
  });

  const own = settings.EVENKEEL_ADVERTISED_URL ?? `http://${ownHost(settings.STATUS_HOST)}:${settings.STATUS_PORT}`;
  const status = createStatusApp(log, {
    allowedHosts: [...settings.EVENKEEL_ALLOWED_HOSTS, ...(shared ? [new URL(own).hostname] : [])],
    token: settings.EVENKEEL_TOKEN,
  });
  const listening = await listen(status.app, { host: settings.STATUS_HOST, port: settings.STATUS_PORT });
  process.stdout.write(`listening ${listening.url}\n`);
  const document = createDocument(process.env);
  const eventBridge = createEventBridge(process.env);
  const table = settings.EVENKEEL_SCHEDULER_TABLE;
  const around: Surroundings = {
    document,
    eventBridge,
    tables: { scheduler: table, costs: settings.EVENKEEL_COSTS_TABLE },
    busName: settings.EVENKEEL_BUS_NAME,
    readCosts: readCostsOf(document, settings.EVENKEEL_COSTS_TABLE),
    token: settings.EVENKEEL_SERVER_TOKEN ?? settings.EVENKEEL_TOKEN,
    reach: reachOf(settings),
    slot: settings.EVENKEEL_SLOT ?? (shared ? `${hostname()}-${listening.port}` : "scheduler-1"),
    api: settings.EVENKEEL_API,
    ...(shared && { maxCharacters: maxCharactersShared }),
    clock,
    log,
  };

  async function registered(): Promise<readonly Target[]> {
    const all = settings.EVENKEEL_SERVERS.includes("registered");
    const servers = await listServers(document, serversTable ?? "");
    return servers.flatMap(({ serverId, registration }) =>
      registration && (all || settings.EVENKEEL_SERVERS.includes(serverId))
        ? [{ serverId, url: registration.url }]
        : [],
    );
  }

  /** @param failed takes what one server does wrong; none but the only one's ends the process */
  function createFleet(targets: () => Promise<readonly Target[]>, failed: (error: unknown) => void, turn: OnScheduler) {
    const allowance = new Allowance(clock.monotonic);
    return new Fleet({
      targets,
      membership: shared
        ? createMembership({
            name: around.slot,
            url: own.replace(/:0$/, `:${listening.port}`),
            capacity: settings.EVENKEEL_CAPACITY,
            write: (member) => writeMember(document, table, member, clock.now()),
            read: () => readMembers(document, table),
            clock,
            nonce: randomUUID,
          })
        : undefined,
      start: (target) => {
        const key = target.serverId ?? target.url;
        const share = {
          spend: (ms: number) => allowance.spend(key, ms),
          budgetMs: (tickMs: number) => allowance.budgetMs(tickMs),
        };
        return steerServer(target, around, { share, onReady: turn, onFailure: failed });
      },
      allowance,
      clock,
      log,
    });
  }

  function serve(fleet: Fleet): void {
    status.serve({
      only: () => fleet.only(),
      scheduler: (serverId) => fleet.scheduler(serverId),
      status: () => fleet.status(),
      shared,
      async elsewhere(serverId) {
        const lease = await createLeaseStore(document, table, serverId).read();
        return lease && !lease.released ? fleet.urlOf(lease.slot) : undefined;
      },
    });
  }

  try {
    const publish = createMetrics("scheduler", process.env);
    if (shared) {
      const fleet = createFleet(
        registered,
        () => {},
        () => {},
      );
      serve(fleet);
      await Promise.all([fleet.run(signal), publish && reportFleet(publish, fleet, clock, signal)]);
      return;
    }
    const parameters = await openParameters(settings.EVENKEEL_PARAMETERS);
    const url = parameters ? await parameters.address(signal) : settings.EVENKEEL_SERVER_URL;
    if (url === undefined) return;
    const moved = parameters?.run(url, signal).then((address) => {
      if (address !== undefined)
        log.info("the server's address was changed: ending, to start again with it", { address });
      stop.abort();
    });
    const failed = Promise.withResolvers<never>();
    const fleet = createFleet(
      async () => [{ serverId: settings.EVENKEEL_SERVER_ID, url }],
      failed.reject,
      (scheduler, serverId) => parameters?.turn(createKnobSink(document, table, serverId, scheduler.changeKnobs)),
    );
    serve(fleet);
    const reported = () => fleet.only()?.status();
    await Promise.race([
      failed.promise,
      Promise.all([fleet.run(signal), moved, publish && reportMetrics(publish, reported, clock, signal)]),
    ]);
  } finally {
    document.destroy();
    eventBridge.destroy();
    await listening.close();
  }
}

type OnScheduler = (scheduler: Scheduler, serverId: string) => void;

/** What other machines reach this one by, bound to `host`. */
function ownHost(host: string): string {
  if (isLoopbackHost(host) || !/^(0\.0\.0\.0|\[?::\]?)$/.test(host)) return host;
  const addresses = Object.values(networkInterfaces()).flat();
  const own = addresses.find((of) => of && !of.internal && of.family === "IPv4" && !of.address.startsWith("169.254."));
  return own?.address ?? "127.0.0.1";
}

/** Runs until a signal or an error; then the process ends. */
export async function run(): Promise<void> {
  await runService(log, main);
}
