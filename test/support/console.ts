/** The console's app in the test's own process. */
import { systemClock } from "../../platform/clock.ts";
import type { HttpApp } from "../../platform/http.ts";
import type { Access } from "../../platform/http-guard.ts";
import { silentLog as log } from "../../platform/log.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { createConsoleApp } from "../../services/console/app.ts";
import { Jobs } from "../../services/console/jobs/jobs.ts";
import { Hub } from "../../services/console/live/hub.ts";
import type { ConsoleStore } from "../../services/console/store.ts";

const away = async () => {
  throw new Error("the cloud is away");
};

/** Tables and queue that do not answer. */
export const awayStore: ConsoleStore = {
  costs: away,
  windows: away,
  executions: away,
  findExecution: away,
  recordedAt: away,
  queueDepth: away,
  audit: away,
};

/** One that follows nothing yet: of its parts none has answered. */
export function createIdleConsole(access: Access = {}): HttpApp {
  const clock = systemClock;
  const client = createServerClient({ url: "http://127.0.0.1:9999", clock, random: () => 0 });
  const store = awayStore;
  const hub = new Hub({ client, scheduler: undefined, store, clock, log, keeps: "" });
  return createConsoleApp({ jobs: new Jobs(clock, log), hub, scheduler: undefined, store, log, access });
}
