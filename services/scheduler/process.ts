import { randomUUID } from "node:crypto";
import { createDocument, createEventBridge } from "../../platform/aws.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { listen } from "../../platform/http.ts";
import { createLeaseStore } from "../../platform/lease.ts";
import { createLog } from "../../platform/log.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { raisePriority } from "../../platform/priority.ts";
import { reachOf } from "../../platform/server-address.ts";
import { runService } from "../../platform/service.ts";
import { readCosts } from "../../platform/tables/costs.ts";
import { readMembers, writeMember } from "../../platform/tables/fleet.ts";
import { listServers } from "../../platform/tables/servers.ts";
import { Allowance } from "./allowance.ts";
import { createCostsReader } from "./costs-reader.ts";
import { Fleet } from "./fleet.ts";
import { createKnobSink } from "./knob-sink.ts";
import { createMembership, type Membership } from "./membership.ts";
import { reportFleet, reportMetrics } from "./report-metrics.ts";
import { ownUrl, readSettings, type Settings, slotOf } from "./settings.ts";
import { createStatusApp, type Served } from "./status.ts";
import { type SteerOptions, type Surroundings, steerServer, type Target } from "./steered-server.ts";

const log = createLog("scheduler");
/** A stop waits no longer than this for plans to be saved and leases to be freed; one of many also hands them over. */
const stopMs = { alone: 1_700, shared: 8_000 };
/** Of an event or an answer, where others would wait while it is read: 50,000 waiting executions. */
const maxCharactersShared = 4 * 1024 * 1024;

/** What belongs to this process. */
interface Own {
  readonly settings: Settings;
  readonly around: Surroundings;
  readonly serve: (served: Served) => void;
  readonly listeningPort: number;
}

/** The scheduler as a process. Settings: environment variables, see settings.ts. */
async function main(stop: AbortController): Promise<void> {
  raisePriority();
  const settings = readSettings(process.env);
  endInTime(stop.signal, settings.shared ? stopMs.shared : stopMs.alone);
  const { EVENKEEL_ALLOWED_HOSTS: allowed, EVENKEEL_TOKEN: token, STATUS_HOST: host, STATUS_PORT: port } = settings;
  const { app, serve } = createStatusApp(log, {
    allowedHosts: [...allowed, ...(settings.shared ? [new URL(ownUrl(settings, port)).hostname] : [])],
    token,
  });
  const listening = await listen(app, { host, port });
  process.stdout.write(`listening ${listening.url}\n`);
  const around = surroundings(settings, listening.port);
  const own = { settings, around, serve, listeningPort: listening.port };
  try {
    await (settings.shared ? steerMany(own, stop.signal) : steerOne(own, stop));
  } finally {
    around.document.destroy();
    around.eventBridge.destroy();
    await listening.close();
  }
}

function endInTime(signal: AbortSignal, ms: number): void {
  const end = () => {
    log.warn("stopped without waiting any longer for the tables");
    process.exit(0);
  };
  signal.addEventListener("abort", () => setTimeout(end, ms).unref());
}

function surroundings(settings: Settings, listeningPort: number): Surroundings {
  const document = createDocument(process.env);
  const tables = { scheduler: settings.EVENKEEL_SCHEDULER_TABLE, costs: settings.EVENKEEL_COSTS_TABLE };
  return {
    document,
    eventBridge: createEventBridge(process.env),
    tables,
    busName: settings.EVENKEEL_BUS_NAME,
    readCosts: readCostsOf(document, tables.costs),
    token: settings.EVENKEEL_SERVER_TOKEN ?? settings.EVENKEEL_TOKEN,
    reach: reachOf(settings),
    slot: slotOf(settings, listeningPort),
    api: settings.EVENKEEL_API,
    ...(settings.shared && { maxCharacters: maxCharactersShared }),
    clock,
    log,
  };
}

/** The first time here, as nothing is steered yet and a thread takes time to start; then by a thread of their own. */
function readCostsOf(document: Surroundings["document"], table: string) {
  const reader = createCostsReader({ table, environment: process.env });
  let first = true;
  return (serverId: string) => {
    const here = first;
    first = false;
    return here ? readCosts(document, table, serverId) : reader.read(serverId);
  };
}

/** The one server whose address is given; ends when that changes, to be started again. */
async function steerOne(own: Own, stop: AbortController): Promise<void> {
  const { settings, around } = own;
  const { document, tables } = around;
  const { signal } = stop;
  const parameters = await openParameters(settings.EVENKEEL_PARAMETERS);
  const url = parameters ? await parameters.address(signal) : settings.EVENKEEL_SERVER_URL;
  if (url === undefined) return;
  const moved = parameters?.run(url, signal).then((address) => {
    if (address !== undefined)
      log.info("the server's address was changed: ending, to start again with it", { address });
    stop.abort();
  });
  const failed = Promise.withResolvers<never>();
  const fleet = createFleet(own, async () => [{ serverId: settings.EVENKEEL_SERVER_ID, url }], {
    onFailure: failed.reject,
    onReady: ({ changeKnobs }, serverId) =>
      parameters?.turn(createKnobSink(document, tables.scheduler, serverId, changeKnobs)),
  });
  const publish = createMetrics("scheduler", process.env);
  const reported = () => fleet.only()?.status();
  await Promise.race([
    failed.promise,
    Promise.all([fleet.run(signal), moved, publish && reportMetrics(publish, reported, clock, signal)]),
  ]);
}

/** Loaded only where it is used: a scheduler steers again within two seconds of its start. */
async function openParameters(path: string | undefined) {
  if (path === undefined) return undefined;
  const { createParameterReader, ParameterWatch } = await import("./parameters.ts");
  return new ParameterWatch({ read: createParameterReader(process.env, path), clock, log });
}

/** This process's part of the registered servers, or of those that are named. */
async function steerMany(own: Own, signal: AbortSignal): Promise<void> {
  const { EVENKEEL_SERVERS: names, EVENKEEL_SERVERS_TABLE: table = "" } = own.settings;
  const fleet = createFleet(own, async () => {
    const servers = await listServers(own.around.document, table);
    return servers.flatMap(({ serverId, registration }) =>
      registration && (names.includes("registered") || names.includes(serverId))
        ? [{ serverId, url: registration.url }]
        : [],
    );
  });
  const publish = createMetrics("scheduler", process.env);
  await Promise.all([fleet.run(signal), publish && reportFleet(publish, fleet, clock, signal)]);
}

/** A fleet behind the routes of this process. What one of its servers does wrong ends none but that one's steering. */
function createFleet(own: Own, targets: () => Promise<readonly Target[]>, told: SteerOptions = {}): Fleet {
  const { settings, around, serve } = own;
  const { document, tables } = around;
  const allowance = new Allowance(clock.monotonic);
  const fleet = new Fleet({
    targets,
    membership: settings.shared ? membershipOf(own) : undefined,
    start: (target) => {
      const key = target.serverId ?? target.url;
      const share = {
        spend: (ms: number) => allowance.spend(key, ms),
        budgetMs: (tickMs: number) => allowance.budgetMs(tickMs),
      };
      return steerServer(target, around, { ...told, share });
    },
    allowance,
    clock,
    log,
  });
  serve({
    only: () => fleet.only(),
    scheduler: (serverId) => fleet.scheduler(serverId),
    status: () => fleet.status(),
    shared: settings.shared,
    async elsewhere(serverId) {
      const lease = await createLeaseStore(document, tables.scheduler, serverId).read();
      return lease && !lease.released ? fleet.urlOf(lease.slot) : undefined;
    },
  });
  return fleet;
}

function membershipOf({ settings, around, listeningPort }: Own): Membership {
  const { document, tables, slot } = around;
  return createMembership({
    name: slot,
    url: ownUrl(settings, listeningPort),
    capacity: settings.EVENKEEL_CAPACITY,
    write: (member) => writeMember(document, tables.scheduler, member, clock.now()),
    read: () => readMembers(document, tables.scheduler),
    clock,
    nonce: randomUUID,
  });
}

/** Runs until a signal or an error; then the process ends. */
export async function run(): Promise<void> {
  await runService(log, main);
}
