/** The gatekeeper as a process. Settings: environment variables, see `settings`. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { numberingServerVariables, openCapture } from "../../platform/capture.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { parseEnvironment, port, positiveWholeNumber } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog } from "../../platform/log.ts";
import { raisePriority } from "../../platform/priority.ts";
import { runService } from "../../platform/service.ts";
import { createGatekeeperApi } from "./api.ts";
import { Gatekeeper } from "./gatekeeper.ts";
import { createIdentities } from "./identity.ts";
import { Journal } from "./journal.ts";
import { Roster } from "./roster.ts";

const settings = z.object({
  ...numberingServerVariables,
  EVENKEEL_TICK_MS: positiveWholeNumber.default(100),
  EVENKEEL_WINDOW_TICKS: positiveWholeNumber.default(10),
  EVENKEEL_DEFAULT_DELAY_TICKS: positiveWholeNumber.default(3),
  PORT: port.default(9040),
});

const log = createLog("gatekeeper");

async function main({ signal }: AbortController): Promise<void> {
  raisePriority();
  const env = parseEnvironment(settings, process.env);

  const serverId = env.EVENKEEL_SERVER_ID;
  const { outbox, capture } = openCapture(env, { kind: "native", clock, log });
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
    roster: new Roster(join(env.EVENKEEL_DATA_DIR, "processes.json"), log),
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

  await Promise.all([gatekeeper.run(signal), capture.run(listening.url, signal)]);
  await listening.close();
  outbox.close();
  log.info("stopped");
}

await runService(log, main);
