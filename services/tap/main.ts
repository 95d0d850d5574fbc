/** The tap as a process. Settings: environment variables, see `settings`. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { TapInference } from "../../core/workload/tap-inference.ts";
import { numberingServerVariables, openCapture } from "../../platform/capture.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { parseEnvironment, port, positiveWholeNumber, token, wholeNumber } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog } from "../../platform/log.ts";
import { raisePriority } from "../../platform/priority.ts";
import { reachOf, reachVariables } from "../../platform/server-address.ts";
import { createServerApi } from "../../platform/server-api.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { runService } from "../../platform/service.ts";
import { openLastSeen } from "./last-seen.ts";
import { Tap } from "./tap.ts";

const settings = z.object({
  /** The plain server. */
  EVENKEEL_SERVER_URL: z.string(),
  ...reachVariables,
  /** Sent to the plain server, should it ask for one. */
  EVENKEEL_SERVER_TOKEN: token,
  ...numberingServerVariables,
  /** What the server does, as its makers say; the tick's true length is observed. */
  EVENKEEL_TICK_MS: positiveWholeNumber.default(100),
  EVENKEEL_WINDOW_TICKS: positiveWholeNumber.default(10),
  EVENKEEL_DEFAULT_DELAY_TICKS: wholeNumber.default(1),
  PORT: port.default(9020),
});

const log = createLog("tap");

async function main({ signal }: AbortController): Promise<void> {
  raisePriority();
  const env = parseEnvironment(settings, process.env);

  const serverId = env.EVENKEEL_SERVER_ID;
  const { outbox, capture } = openCapture(env, { kind: "tap", clock, log });
  const clockwork = {
    tickMs: env.EVENKEEL_TICK_MS,
    windowTicks: env.EVENKEEL_WINDOW_TICKS,
    defaultDelayTicks: env.EVENKEEL_DEFAULT_DELAY_TICKS,
  };
  const lastSeen = openLastSeen(join(env.EVENKEEL_DATA_DIR, "last-seen"), clock);
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

  await Promise.all([tap.run(signal), capture.run(listening.url, signal)]);
  await listening.close();
  outbox.close();
  log.info("stopped");
}

await runService(log, main);
