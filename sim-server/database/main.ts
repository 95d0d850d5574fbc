/** The simulated database as a process. Settings: environment variables, see `settings`. */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { numberingServerVariables, openCapture } from "../../platform/capture.ts";
import { systemClock } from "../../platform/clock.ts";
import { parseEnvironment, port, wholeNumber } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog } from "../../platform/log.ts";
import { createPlainApi, createServerApi } from "../../platform/server-api.ts";
import { runService } from "../../platform/service.ts";
import { Engine } from "./engine.ts";
import { Ledger } from "./ledger.ts";
import { loadParameters, parseParameters } from "./parameters.ts";
import { DatabaseServer } from "./server.ts";

const settings = z.object({
  ...numberingServerVariables,
  /** A named scenario, or a parameter file. */
  EVENKEEL_SCENARIO: z.string().default("default"),
  EVENKEEL_SEED: wholeNumber.optional(),
  PORT: port.default(9000),
});

const log = createLog("sim-server");

async function main({ signal }: AbortController): Promise<void> {
  const env = parseEnvironment(settings, process.env);
  const scenario = loadParameters(env.EVENKEEL_SCENARIO);
  const parameters =
    env.EVENKEEL_SEED === undefined
      ? scenario
      : parseParameters({ ...scenario, seed: env.EVENKEEL_SEED }, "EVENKEEL_SEED");
  const directory = env.EVENKEEL_DATA_DIR;
  mkdirSync(directory, { recursive: true });

  const epoch = randomUUID();
  // The run's traffic is new with each epoch; queries and costs depend on the parameters' seed alone.
  const engine = new Engine(parameters, { runSeed: Number.parseInt(epoch.slice(0, 8), 16) });
  const clock = systemClock;
  const serverId = env.EVENKEEL_SERVER_ID;
  const captured = parameters.stamped ? openCapture(env, { kind: "native", clock, log }) : undefined;
  const { outbox, capture } = captured ?? {};
  const ledger = new Ledger(join(directory, "ledger.log"), epoch, serverId, {
    onRemoved: (file) => log.warn("the ledger's oldest file is removed: audits do not cover what ran before", { file }),
  });
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

  await Promise.all([server.run(signal), capture?.run(listening.url, signal)]);
  await listening.close();
  ledger.close();
  outbox?.close();
  log.info("stopped");
}

await runService(log, main);
