import { z } from "zod";
import { createApp, httpError, limitBody, parseBody, refuseHead } from "../../platform/http.ts";
import type { Access } from "../../platform/http-guard.ts";
import type { Log } from "../../platform/log.ts";
import { knobsChange } from "../../platform/scheduler-status.ts";
import { KnobsRefused } from "./inputs.ts";
import type { Scheduler } from "./scheduler.ts";

const statusQuery = z.object({ since: z.coerce.number().min(0).optional() });
const changeBytes = 256 * 1024;

/**
 * GET /status, GET and PUT /knobs, GET /explain, and GET /healthz for whoever supervises the process. Until `serve`, all
 * but the last are 503.
 */
export function createStatusApp(log: Log, access: Access = {}) {
  let served: Scheduler | undefined;
  const scheduler = () => {
    if (!served) throw httpError(503, "waiting for the database server");
    return served;
  };
  const app = createApp(log, access);
  app.get("/healthz", refuseHead, (context) => context.json({ ok: true }));
  app.get("/status", refuseHead, (context) => {
    const query = statusQuery.safeParse(context.req.query());
    if (!query.success) throw httpError(400, "since must be a Unix time in ms");
    return context.json(scheduler().status(query.data.since));
  });
  app.get("/knobs", refuseHead, (context) => context.json(scheduler().knobs()));
  app.put("/knobs", limitBody(changeBytes), async (context) => {
    const change = await parseBody(context, knobsChange);
    try {
      return context.json(await scheduler().changeKnobs(change));
    } catch (error) {
      if (error instanceof KnobsRefused) throw httpError(400, error.message, error);
      log.warn("knobs could not be stored", { error });
      throw httpError(503, "the knobs could not be stored and stay as they were: the table does not answer", error);
    }
  });
  app.get("/explain", refuseHead, (context) => {
    const executionId = context.req.query("execution");
    if (!executionId) throw httpError(400, "execution is missing: /explain?execution=ID");
    const explained = scheduler().explain(executionId);
    if (!explained) throw httpError(404, "no such execution was seen in the last minutes");
    return context.json(explained);
  });
  return {
    app,
    serve(source: Scheduler) {
      served = source;
    },
  };
}
