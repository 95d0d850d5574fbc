/** The tap as a process. Settings: environment variables, see `settings`. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { TapInference } from "../../core/workload/tap-inference.ts";
import { createCapture } from "../../platform/capture.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { ConfigError, nameList, parseEnvironment, port, token, wholeNumber } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog, describeError } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { raisePriority } from "../../platform/priority.ts";
import { reachOf, reachVariables } from "../../platform/server-address.ts";
import { createServerApi } from "../../platform/server-api.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { identifier } from "../../platform/wire.ts";
import { openLastSeen } from "./last-seen.ts";
import { Tap } from "./tap.ts";

const positive = wholeNumber.refine((value) => value >= 1, "at least 1 is expected");

const settings = z.object({
  /** The plain server. */
  EVENKEEL_SERVER_URL: z.string(),
  ...reachVariables,
  /** Sent to the plain server, should it ask for one. */
  EVENKEEL_SERVER_TOKEN: token,
  EVENKEEL_SERVER_ID: identifier.default("local"),
  EVENKEEL_DATA_DIR: z.string(),
  EVENKEEL_OUTBOX_BYTES: wholeNumber.default(2 * 1024 ** 3),
  /** What the server does, as its makers say; the tick's true length is observed. */
  EVENKEEL_TICK_MS: positive.default(100),
  EVENKEEL_WINDOW_TICKS: positive.default(10),
  EVENKEEL_DEFAULT_DELAY_TICKS: wholeNumber.default(1),
  HOST: z.string().default("127.0.0.1"),
  PORT: port.default(9020),
  EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
  EVENKEEL_TOKEN: token,
});

const log = createLog("tap");

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
  const capture = createCapture({ environment: process.env, outbox, kind: "tap", clock, log });
  const clockwork = {
    tickMs: env.EVENKEEL_TICK_MS,
    windowTicks: env.EVENKEEL_WINDOW_TICKS,
    defaultDelayTicks: env.EVENKEEL_DEFAULT_DELAY_TICKS,
  };
  const lastSeen = openLastSeen(join(directory, "last-seen"), clock);
  const tap = new Tap({
    serverId,
    epoch: randomUUID(),
    clockwork,
    inference: new TapInference(clockwork),
    client: createServerClient({
      url: env.EVENKEEL_SERVER_URL,
      token: env.EVENKEEL_SERVER_TOKEN,
      reach: reachOf(env),
      clock,
      random: Math.random,
    }),
    outbox,
    outboxInfo: capture.info,
    lastSeenAt: lastSeen.read(),
    onSeen: lastSeen.note,
    clock,
    random: Math.random,
    log,
  });
  const app = createServerApi(tap, { log, allowedHosts: env.EVENKEEL_ALLOWED_HOSTS, token: env.EVENKEEL_TOKEN });
  const listening = await listen(app, { host: env.HOST, port: env.PORT });
  process.stdout.write(`listening ${listening.url}\n`);
  log.info("started", { serverId, server: env.EVENKEEL_SERVER_URL, ...outbox.state() });

  await Promise.all([tap.run(stop.signal), capture.run(listening.url, stop.signal)]);
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
