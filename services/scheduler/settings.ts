/** What a scheduler process is told by its environment. */
import { hostname, networkInterfaces } from "node:os";
import { z } from "zod";
import { ConfigError, nameList, parseEnvironment, port, positiveWholeNumber, token } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { isLoopbackHost } from "../../platform/http-guard.ts";
import { reachVariables } from "../../platform/server-address.ts";
import { identifier } from "../../platform/wire.ts";

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

export interface Settings extends z.infer<typeof environment> {
  /** Whether it has one of many servers, which it may share with other processes. */
  readonly shared: boolean;
}

/** @throws ConfigError that says what is missing */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const settings = parseEnvironment(environment, env);
  const shared = settings.EVENKEEL_SERVERS.length > 0;
  if (!shared && !settings.EVENKEEL_SERVER_URL && !settings.EVENKEEL_PARAMETERS)
    throw new ConfigError("environment: EVENKEEL_SERVER_URL is missing, or EVENKEEL_SERVERS for many");
  if (shared && settings.EVENKEEL_SERVERS_TABLE === undefined)
    throw new ConfigError("environment: EVENKEEL_SERVERS_TABLE is missing");
  return { ...settings, shared };
}

/** The name under which it holds leases. */
export function slotOf({ EVENKEEL_SLOT, shared }: Settings, listeningPort: number): string {
  return EVENKEEL_SLOT ?? (shared ? `${hostname()}-${listeningPort}` : "scheduler-1");
}

/** Where other processes of the fleet reach this one; port 0 stands for the one that it listens on. */
export function ownUrl(settings: Settings, listeningPort: number): string {
  const url = settings.EVENKEEL_ADVERTISED_URL ?? `http://${ownHost(settings.STATUS_HOST)}:${settings.STATUS_PORT}`;
  return url.replace(/:0$/, `:${listeningPort}`);
}

/** What other machines reach this one by, bound to `host`. */
function ownHost(host: string): string {
  if (isLoopbackHost(host) || !/^(0\.0\.0\.0|\[?::\]?)$/.test(host)) return host;
  const addresses = Object.values(networkInterfaces()).flat();
  const own = addresses.find((of) => of && !of.internal && of.family === "IPv4" && !of.address.startsWith("169.254."));
  return own?.address ?? "127.0.0.1";
}
