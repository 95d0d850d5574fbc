/** The console as a process. Settings: see `settings.ts`. */
import { createAws } from "../../platform/aws.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { parseEnvironment } from "../../platform/config.ts";
import { listen } from "../../platform/http.ts";
import { createLog } from "../../platform/log.ts";
import { reachOf } from "../../platform/server-address.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { runService } from "../../platform/service.ts";
import { createConsoleApp } from "./app.ts";
import { Jobs } from "./jobs/jobs.ts";
import { Hub } from "./live/hub.ts";
import { createSchedulerClient } from "./scheduler-client.ts";
import { environment } from "./settings.ts";
import { claimHeader, createSignIn } from "./sign-in.ts";
import { createStore } from "./store.ts";

const log = createLog("console");

async function main({ signal }: AbortController): Promise<void> {
  const settings = parseEnvironment(environment, process.env);
  const aws = createAws(process.env);
  const token = settings.EVENKEEL_TOKEN;
  const serverToken = settings.EVENKEEL_SERVER_TOKEN ?? token;
  const client = createServerClient({
    url: settings.EVENKEEL_SERVER_URL,
    token: serverToken,
    reach: reachOf(settings),
    clock,
    random: Math.random,
    requestTimeoutMs: 3_000,
  });
  const schedulerUrl = settings.EVENKEEL_SCHEDULER_URL;
  const scheduler =
    schedulerUrl === undefined ? undefined : createSchedulerClient(schedulerUrl, { token: serverToken });
  const store = createStore(aws, settings);
  const hub = new Hub({ client, scheduler, store, clock, log, keeps: settings.EVENKEEL_KEEPS });
  const jobs = new Jobs(clock, log);
  const { EVENKEEL_SIMULATOR: simulator, EVENKEEL_SCENARIO: scenario, EVENKEEL_SEED: seed } = settings;
  const simulation = simulator === undefined ? undefined : { simulator, scenario, seed };
  const signer = settings.EVENKEEL_SIGN_IN_SIGNER;
  const vouched = signer && { header: claimHeader, check: createSignIn({ signer, clock, log }) };
  const app = createConsoleApp({
    jobs,
    simulation,
    hub,
    scheduler,
    store,
    log,
    access: { allowedHosts: settings.EVENKEEL_ALLOWED_HOSTS, token, ...(vouched && { vouched }) },
  });
  const listening = await listen(app, { host: settings.HOST, port: settings.PORT });
  process.stdout.write(`listening ${listening.url}\n`);
  try {
    await hub.run(signal);
  } finally {
    await jobs.stop();
    aws.destroy();
    await listening.close();
  }
}

await runService(log, main);
