import type { Context } from "hono";
import { z } from "zod";
import { createApp, httpError, limitBody, parseBody, refuseHead } from "../../platform/http.ts";
import type { Access } from "../../platform/http-guard.ts";
import { describeError, type Log } from "../../platform/log.ts";
import { knobsChange } from "../../platform/scheduler-status.ts";
import { identifier } from "../../platform/wire.ts";
import type { FleetStatus } from "./fleet.ts";
import { KnobsRefused } from "./inputs.ts";
import type { Scheduler } from "./scheduler.ts";

const statusQuery = z.object({ since: z.coerce.number().min(0).optional() });
const changeBytes = 256 * 1024;

/** What stands behind the routes. */
export interface Served {
  /** The one server's, where servers are not shared. */
  only(): Scheduler | undefined;
  scheduler(serverId: string): Scheduler | undefined;
  status(): FleetStatus;
  /** Whether several processes share the servers: then a server must be named. */
  readonly shared: boolean;
  /** Address of the process that steers a server, where it is another one. */
  elsewhere(serverId: string): Promise<string | undefined>;
}

/** One that a process of the fleet has sent on is not sent on again. */
const forwarded = "x-evenkeel-forwarded";
const forwardMs = 3_000;

/**
 * GET /status, GET and PUT /knobs, GET /explain of the one server; the same below /servers/ID of a server that this
 * process, or another of its fleet, steers; GET /servers; and GET /healthz for whoever supervises the process. Until
 * `serve`, all but the last are 503.
 */
export function createStatusApp(log: Log, access: Access = {}) {
  let served: Served | undefined;
  const behind = () => {
    if (!served) throw httpError(503, "waiting for the database server");
    return served;
  };

  /** Answers with the scheduler that is asked for, or has the process answer that steers it. */
  async function withScheduler(
    context: Context,
    answer: (scheduler: Scheduler) => Response | Promise<Response>,
  ): Promise<Response> {
    const { only, scheduler, shared, elsewhere } = behind();
    const id = context.req.param("serverId");
    if (id === undefined) {
      if (shared)
        throw httpError(404, "several servers are steered here: ask below /servers/ID; GET /servers lists them");
      const one = only();
      if (!one) throw httpError(503, "waiting for the database server");
      return answer(one);
    }
    if (!identifier.safeParse(id).success) throw httpError(400, "that is no server's id");
    const here = scheduler(id);
    if (here) return answer(here);
    const url = context.req.header(forwarded) === undefined ? await elsewhere(id) : undefined;
    if (url === undefined) throw httpError(404, `server ${id} is not steered at the moment; GET /servers tells why`);
    return forward(context, url);
  }

  async function forward(context: Context, url: string): Promise<Response> {
    const { method, url: asked } = context.req;
    const { pathname, search } = new URL(asked);
    const body = method === "PUT" ? await context.req.text() : undefined;
    try {
      const answer = await fetch(`${url}${pathname}${search}`, {
        method,
        redirect: "error",
        headers: {
          [forwarded]: "1",
          ...(access.token !== undefined && { authorization: `Bearer ${access.token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body }),
        signal: AbortSignal.timeout(forwardMs),
      });
      return new Response(await answer.text(), {
        status: answer.status,
        headers: { "content-type": "application/json" },
      });
    } catch (error) {
      throw httpError(503, `the process that steers it, ${url}, does not answer: ${describeError(error)}`, error);
    }
  }

  const app = createApp(log, access);
  app.get("/healthz", refuseHead, (context) => context.json({ ok: true }));
  app.get("/servers", refuseHead, (context) => context.json(behind().status()));
  for (const base of ["", "/servers/:serverId"]) {
    app.get(`${base}/status`, refuseHead, (context) =>
      withScheduler(context, (scheduler) => {
        const query = statusQuery.safeParse(context.req.query());
        if (!query.success) throw httpError(400, "since must be a Unix time in ms");
        return context.json(scheduler.status(query.data.since));
      }),
    );
    app.get(`${base}/knobs`, refuseHead, (context) =>
      withScheduler(context, (scheduler) => context.json(scheduler.knobs())),
    );
    app.put(`${base}/knobs`, limitBody(changeBytes), (context) =>
      withScheduler(context, async (scheduler) => {
        const change = await parseBody(context, knobsChange);
        try {
          return context.json(await scheduler.changeKnobs(change));
        } catch (error) {
          if (error instanceof KnobsRefused) throw httpError(400, error.message, error);
          log.warn("knobs could not be stored", { error });
          throw httpError(503, "the knobs could not be stored and stay as they were: the table does not answer", error);
        }
      }),
    );
    app.get(`${base}/explain`, refuseHead, (context) =>
      withScheduler(context, (scheduler) => {
        const executionId = context.req.query("execution");
        if (!executionId) throw httpError(400, "execution is missing: /explain?execution=ID");
        const explained = scheduler.explain(executionId);
        if (!explained) throw httpError(404, "no such execution was seen in the last minutes");
        return context.json(explained);
      }),
    );
  }
  return {
    app,
    serve(source: Served) {
      served = source;
    },
  };
}
