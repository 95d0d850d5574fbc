import { createApp, httpError, refuseHead } from "../../platform/http.ts";
import type { Access } from "../../platform/http-guard.ts";
import type { Log } from "../../platform/log.ts";
import type { SchedulerStatus } from "../../platform/scheduler-status.ts";

/** GET /status, and GET /healthz for whoever supervises the process. Until `serve`, the status is 503. */
export function createStatusApp(log: Log, access: Access = {}) {
  let status: (() => SchedulerStatus) | undefined;
  const app = createApp(log, access);
  app.get("/healthz", refuseHead, (context) => context.json({ ok: true }));
  app.get("/status", refuseHead, (context) => {
    if (!status) throw httpError(503, "waiting for the database server");
    return context.json(status());
  });
  return {
    app,
    serve(source: () => SchedulerStatus) {
      status = source;
    },
  };
}
