/** What a numbering server (the simulated database, the tap, the gatekeeper) runs beside itself: the sender, and its registration. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import ipaddr from "ipaddr.js";
import { z } from "zod";
import { type AwsEnvironment, createDocument, createSqs } from "./aws.ts";
import { type Clock, inTime } from "./clock.ts";
import { ConfigError, nameList, parseEnvironment, token, wholeNumber } from "./config.ts";
import { workloadEnvironment } from "./environment.ts";
import { describeError, type Log } from "./log.ts";
import { type Outbox, openOutbox } from "./outbox.ts";
import { RoomWatch } from "./outbox-room.ts";
import { createSender } from "./sender.ts";
import { readTombstones } from "./tables/executions.ts";
import { readReceipts } from "./tables/receipts.ts";
import { registerServer } from "./tables/servers.ts";
import { identifier, type ServerInfo } from "./wire.ts";

export interface CaptureOptions {
  /** `process.env`, or what stands for it. */
  readonly environment: AwsEnvironment;
  readonly outbox: Outbox;
  readonly kind: ServerInfo["kind"];
  readonly clock: Clock;
  readonly log: Log;
}

export interface Capture {
  /** Registers the server under `EVENKEEL_ADVERTISED_URL`, else under `url`, and sends until `signal` aborts. */
  run(url: string, signal: AbortSignal): Promise<void>;
  /** The outbox's part of `GET /server`. */
  info(): ServerInfo["outbox"];
  /** The share of new work that there is room to record, 0 to 1. */
  intake(): number;
}

/** Settings of every numbering server, but for its port. */
export const numberingServerVariables = {
  EVENKEEL_SERVER_ID: identifier.default("local"),
  EVENKEEL_DATA_DIR: z.string(),
  EVENKEEL_OUTBOX_BYTES: wholeNumber.default(2 * 1024 ** 3),
  HOST: z.string().default("127.0.0.1"),
  /** Host names that it is reached by, beyond loopback's. */
  EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
  EVENKEEL_TOKEN: token,
};

type NumberingServerSettings = z.output<z.ZodObject<typeof numberingServerVariables>>;

/**
 * A numbering server's outbox, in its data directory, and what sends it.
 * @throws OutboxError, ConfigError in one line
 */
export function openCapture(
  of: NumberingServerSettings,
  { kind, clock, log }: Pick<CaptureOptions, "kind" | "clock" | "log">,
): { readonly outbox: Outbox; readonly capture: Capture } {
  mkdirSync(of.EVENKEEL_DATA_DIR, { recursive: true });
  const outbox = openOutbox({
    file: join(of.EVENKEEL_DATA_DIR, "outbox.sqlite"),
    serverId: of.EVENKEEL_SERVER_ID,
    diskBoundBytes: of.EVENKEEL_OUTBOX_BYTES,
    clock,
    log,
  });
  return { outbox, capture: createCapture({ environment: process.env, outbox, kind, clock, log }) };
}

const settings = workloadEnvironment
  .pick({
    EVENKEEL_QUEUE_URL: true,
    EVENKEEL_EXECUTIONS_TABLE: true,
    EVENKEEL_WINDOWS_TABLE: true,
    EVENKEEL_SERVERS_TABLE: true,
  })
  .extend({
    /** What the server binds. */
    HOST: z.string().optional(),
    /** Where others reach the server. */
    EVENKEEL_ADVERTISED_URL: z.url({ protocol: /^https?$/, error: "an http or https URL is expected" }).optional(),
  });

/** A lost table loses the registration too: it is written anew this often. */
const registerEveryMs = 60_000;

/** Whether `host` stands for all of a machine's addresses, and so is none that others could ask. */
function isEveryAddress(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  return ipaddr.isValid(address) && ipaddr.process(address).range() === "unspecified";
}

/** @throws ConfigError when the environment does not say where queue and tables are, or where others reach the server */
export function createCapture({ environment, outbox, kind, clock, log }: CaptureOptions): Capture {
  const names = parseEnvironment(settings, environment);
  const { HOST: host = "", EVENKEEL_ADVERTISED_URL: advertised } = names;
  if (advertised === undefined && isEveryAddress(host)) {
    throw new ConfigError(
      `bound to all addresses (HOST=${host}): set EVENKEEL_ADVERTISED_URL to where others reach the server, such as http://db.internal:9000`,
    );
  }
  const { serverId } = outbox;
  const document = createDocument(environment);
  const sqs = createSqs(environment);
  const tables = { executions: names.EVENKEEL_EXECUTIONS_TABLE, windows: names.EVENKEEL_WINDOWS_TABLE };
  const sender = createSender({
    outbox,
    sqs,
    queueUrl: names.EVENKEEL_QUEUE_URL,
    readReceipts: (incarnation, range) => readReceipts(document, tables, serverId, incarnation, range),
    readTombstones: (incarnation) => readTombstones(document, tables.executions, serverId, incarnation),
    clock,
    random: Math.random,
    log,
  });

  const room = new RoomWatch(outbox, clock, kind);

  async function keepRegistered(url: string, signal: AbortSignal): Promise<void> {
    const registeredAt = clock.now();
    while (!signal.aborted) {
      try {
        const registration = registerServer(document, names.EVENKEEL_SERVERS_TABLE, {
          serverId,
          url,
          kind,
          registeredAt,
        });
        await inTime(clock, registration, { ms: 5_000, message: "the table does not answer", signal });
        await clock.sleep(registerEveryMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("the server cannot be registered; it is tried again", { error: describeError(error) });
        await clock.sleep(5_000, signal);
      }
    }
  }

  return {
    async run(url, signal) {
      await Promise.all([sender.run(signal), keepRegistered(advertised ?? url, signal)]);
      sqs.destroy();
      document.destroy();
    },
    info() {
      const { lastSentAt, trouble } = sender.status();
      return { ...outbox.state(), lastSentAt, trouble, warning: room.warning(), incarnations: outbox.held() };
    },
    intake: () => room.intake(),
  };
}
