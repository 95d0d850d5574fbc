/** The simulated database as a process. Settings: environment variables, see `settings`. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { createCapture } from "../../platform/capture.ts";
import { systemClock } from "../../platform/clock.ts";
import { ConfigError, nameList, parseEnvironment, port, token, wholeNumber } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog, describeError } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { createPlainApi, createServerApi } from "../../platform/server-api.ts";
import { identifier } from "../../platform/wire.ts";
import { Engine } from "./engine.ts";
import { Ledger } from "./ledger.ts";
import { loadParameters, parseParameters } from "./parameters.ts";
import { DatabaseServer } from "./server.ts";

const settings = z.object({
  EVENKEEL_SERVER_ID: identifier.default("local"),
  /** A named scenario, or a parameter file. */
  EVENKEEL_SCENARIO: z.string().default("default"),
  EVENKEEL_SEED: wholeNumber.optional(),
  EVENKEEL_DATA_DIR: z.string(),
  EVENKEEL_OUTBOX_BYTES: wholeNumber.default(2 * 1024 ** 3),
  HOST: z.string().default("127.0.0.1"),
  PORT: port.default(9000),
  /** Host names that it is reached by, beyond loopback's. */
  EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
  EVENKEEL_TOKEN: token,
});

const log = createLog("sim-server");

async function main(): Promise<void> {
  const env = parseEnvironment(settings, process.env);
  const scenario = loadParameters(env.EVENKEEL_SCENARIO);
  const parameters =
    env.EVENKEEL_SEED === undefined
      ? scenario
      : parseParameters({ ...scenario, seed: env.EVENKEEL_SEED }, "EVENKEEL_SEED");
  const directory = env.EVENKEEL_DATA_DIR;
  mkdirSync(directory, { recursive: true });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop.abort());

  const epoch = randomUUID();
  // The run's traffic is new with each epoch; queries and costs depend on the parameters' seed alone.
  const engine = new Engine(parameters, { runSeed: Number.parseInt(epoch.slice(0, 8), 16) });
  const clock = systemClock;
  const serverId = env.EVENKEEL_SERVER_ID;
  const outbox = parameters.stamped
    ? openOutbox({
        file: join(directory, "outbox.sqlite"),
        serverId,
        diskBoundBytes: env.EVENKEEL_OUTBOX_BYTES,
        clock,
        log,
      })
    : undefined;
  const capture = outbox && createCapture({ environment: process.env, outbox, kind: "native", clock, log });
  const ledger = new Ledger(join(directory, "ledger.log"), epoch, serverId);
  const server = new DatabaseServer({
    serverId,
    epoch,
    engine,
    clock,
    log,
    ledger,
    outbox,
    outboxInfo: capture?.info,
    intake: capture?.intake,
  });
  const options = { log, allowedHosts: env.EVENKEEL_ALLOWED_HOSTS, token: env.EVENKEEL_TOKEN };
  const app = capture ? createServerApi(server, options) : createPlainApi(server, options);
  const listening = await listen(app, { host: env.HOST, port: env.PORT });
  process.stdout.write(`listening ${listening.url}\n`);
  log.info("started", { serverId, epoch, scenario: env.EVENKEEL_SCENARIO, ...outbox?.state() });

  await Promise.all([server.run(stop.signal), capture?.run(listening.url, stop.signal)]);
  await listening.close();
  ledger.close();
  outbox?.close();
  log.info("stopped");
  // Requests that nobody waits for any more must not hold up the end.
  process.exit(0);
}

try {
  await main();
} catch (error) {
  log.error(describeError(error));
  process.exit(error instanceof ConfigError ? 2 : 1);
}
