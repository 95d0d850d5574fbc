/** The gatekeeper as a process. Settings: environment variables, see `settings`. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { createCapture } from "../../platform/capture.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { ConfigError, nameList, parseEnvironment, port, token, wholeNumber } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog, describeError } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { raisePriority } from "../../platform/priority.ts";
import { identifier } from "../../platform/wire.ts";
import { createGatekeeperApi } from "./api.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { createIdentities } from "./identity.ts";
import { Journal } from "./journal.ts";

const positive = wholeNumber.refine((value) => value >= 1, "at least 1 is expected");

const settings = z.object({
  EVENKEEL_SERVER_ID: identifier.default("local"),
  EVENKEEL_DATA_DIR: z.string(),
  EVENKEEL_OUTBOX_BYTES: wholeNumber.default(2 * 1024 ** 3),
  EVENKEEL_TICK_MS: positive.default(100),
  EVENKEEL_WINDOW_TICKS: positive.default(10),
  EVENKEEL_DEFAULT_DELAY_TICKS: positive.default(3),
  HOST: z.string().default("127.0.0.1"),
  PORT: port.default(9040),
  EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
  EVENKEEL_TOKEN: token,
});

const log = createLog("gatekeeper");

async function main(): Promise<void> {
  raisePriority();
  const env = parseEnvironment(settings, process.env);
  const directory = env.EVENKEEL_DATA_DIR;
  mkdirSync(directory, { recursive: true });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop.abort());

  const serverId = env.EVENKEEL_SERVER_ID;
  const diskBoundBytes = env.EVENKEEL_OUTBOX_BYTES;
  const outbox = openOutbox({ file: join(directory, "outbox.sqlite"), serverId, diskBoundBytes, clock, log });
  const capture = createCapture({ environment: process.env, outbox, kind: "native", clock, log });
  const identities = await createIdentities();
  const epoch = randomUUID();
  const gatekeeper = new Gatekeeper({
    serverId,
    epoch,
    clockwork: {
      tickMs: env.EVENKEEL_TICK_MS,
      windowTicks: env.EVENKEEL_WINDOW_TICKS,
      defaultDelayTicks: env.EVENKEEL_DEFAULT_DELAY_TICKS,
    },
    identities,
    journal: new Journal({ outbox, log }),
    outboxInfo: capture.info,
    clock,
    log,
  });
  const options = { log, allowedHosts: env.EVENKEEL_ALLOWED_HOSTS, token: env.EVENKEEL_TOKEN };
  const listening = await listen(createGatekeeperApi(gatekeeper, identities, options), {
    host: env.HOST,
    port: env.PORT,
  });
  process.stdout.write(`listening ${listening.url}\n`);
  log.info("started", { serverId, epoch, ...outbox.state() });

  await Promise.all([gatekeeper.run(stop.signal), capture.run(listening.url, stop.signal)]);
  await listening.close();
  outbox.close();
  log.info("stopped");
}

try {
  await main();
  // A request to a cloud that does not answer would keep the process for half a minute.
  process.exit(0);
} catch (error) {
  log.error(describeError(error));
  process.exit(error instanceof ConfigError ? 2 : 1);
}
