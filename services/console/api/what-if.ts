import { z } from "zod";
import { defaultKnobs } from "../../../core/workload/steering/knobs.ts";
import { type HttpApp, httpError } from "../../../platform/http.ts";
import { identifier } from "../../../platform/wire.ts";
import type { Job } from "../contract/jobs.ts";
import type { Jobs } from "../jobs/jobs.ts";
import type { Task } from "../jobs/tasks.ts";
import type { Hub } from "../live/hub.ts";
import { parseQuery, timeParameter } from "./parameters.ts";

const minuteMs = 60_000;
export const whatIfParameters = z.object({
  /** How much of what was recorded is run again. */
  minutes: z.coerce.number().min(1).max(60).default(10),
  /** Its end; now by default. */
  to: timeParameter.optional(),
  /** One budget only, in seconds; else as many as show the frontier. */
  latency: z.coerce.number().positive().max(3_600).optional(),
  /** Half width of the band; the knob's by default. */
  band: z.coerce.number().positive().lt(1).optional(),
});
export const convergenceParameters = z.object({ minutes: z.coerce.number().min(1).max(30).default(5) });

export interface Simulation {
  /** The program that prints a scenario's traffic and true costs. */
  readonly simulator: string;
  readonly scenario: string;
  readonly seed: string | undefined;
}

export interface WhatIfOptions {
  readonly hub: Hub;
  readonly jobs: Jobs;
  /** Undefined: no simulator is at hand. */
  readonly simulation: Simulation | undefined;
}

/** GET /api/what-if and GET /api/convergence/ID: long work, to be asked for until it is done. */
export function addWhatIfRoutes(app: HttpApp, { hub, jobs, simulation }: WhatIfOptions): void {
  const ask = (key: unknown, task: Task): Job<unknown> => {
    const job = jobs.ask(JSON.stringify(key), task);
    if (!job) throw httpError(503, "other long work waits already: try again in a minute");
    return job;
  };
  app.get("/api/what-if", (context) => {
    const { minutes, to, latency, band } = parseQuery(context, whatIfParameters);
    const { serverId } = hub;
    if (serverId === undefined) throw httpError(503, "the database server has not answered yet");
    const knobs = { ...defaultKnobs, ...hub.knobs, ...(band !== undefined && { bandWidth: band }) };
    // Asked for anew within a minute it is the same question.
    const end = to ?? Math.floor(Date.now() / minuteMs) * minuteMs;
    const from = end - minutes * minuteMs;
    const { defaultDelayTicks } = hub;
    return context.json(
      ask(["what-if", from, end, latency, band, latency === undefined && knobs.latencyP95Seconds], {
        kind: "what-if",
        serverId,
        from,
        to: end,
        defaultDelayTicks,
        knobs: { ...knobs, deadlineSeconds: { ...knobs.deadlineSeconds } },
        budgets: latency === undefined ? undefined : [latency],
      }),
    );
  });
  app.get("/api/convergence/:id{.+}", (context) => {
    const id = identifier.safeParse(context.req.param("id"));
    if (!id.success) throw httpError(400, "this is no query's id");
    const { minutes } = parseQuery(context, convergenceParameters);
    if (!simulation) throw httpError(409, "this console has no simulator (EVENKEEL_SIMULATOR)");
    const mean = hub.costs?.costs.get(id.data)?.mean;
    return context.json(
      ask(["convergence", id.data, minutes], {
        kind: "convergence",
        ...simulation,
        minutes,
        queryId: id.data,
        mean: mean ? [...mean] : null,
      }),
    );
  });
}
