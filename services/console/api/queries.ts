import { z } from "zod";
import { type HttpApp, httpError } from "../../../platform/http.ts";
import type { ExecutionItem } from "../../../platform/tables/executions.ts";
import { identifier } from "../../../platform/wire.ts";
import { type QueriesAnswer, type QueryAnswer, querySorts } from "../contract/queries.ts";
import type { Hub } from "../live/hub.ts";
import { listQueries, selectQueries } from "../queries.ts";
import type { ConsoleStore } from "../store.ts";
import { available, parseQuery, rangeParameters } from "./parameters.ts";

export const queriesParameters = z.object({
  sort: z.enum(querySorts).default("load"),
  order: z.enum(["asc", "desc"]).default("desc"),
  /** Part of an id. */
  filter: z.string().max(200).default(""),
  offset: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

const hourMs = 3_600_000;
/** A query's history is one read of the table an hour. */
export const queryRange = rangeParameters(hourMs, 24 * hourMs);
const newestShown = 200;
const minuteMs = 60_000;

/** GET /api/queries: the table of queries. GET /api/queries/ID: one of them, with its recorded executions. */
export function addQueryRoutes(app: HttpApp, hub: Hub, store: ConsoleStore): void {
  const rows = () => listQueries(hub.costs, hub.load.traffic, Date.now(), hub.tickMs ?? 100);
  app.get("/api/queries", (context) =>
    context.json<QueriesAnswer>(selectQueries(rows(), parseQuery(context, queriesParameters))),
  );
  app.get("/api/queries/:id{.+}", async (context) => {
    const id = identifier.safeParse(context.req.param("id"));
    if (!id.success) throw httpError(400, "this is no query's id");
    const { from, to } = parseQuery(context, queryRange);
    const known = rows().find(({ queryId }) => queryId === id.data);
    const executions = await available(hub, (serverId) => store.executions(serverId, id.data, from, to));
    if (!known && executions.length === 0) throw httpError(404, "no such query is known, and none ran in this time");
    return context.json<QueryAnswer>({
      query: known ?? { ...emptyRow, queryId: id.data },
      from,
      to,
      minutes: minutesOf(executions, hub.tickMs ?? 100),
      executions: executions
        .slice(-newestShown)
        .reverse()
        .map((item) => shown(item, hub.tickMs ?? 100)),
    });
  });
}

const emptyRow = {
  mean: null,
  sd: null,
  durationMs: null,
  seen: 0,
  lastSeenAt: null,
  perMinute: 0,
  loadShare: 0,
  meanDelaySeconds: null,
  perTenSeconds: [],
};

function shown({ executionId, arrivedAt, executedAt, tick, delayTicks }: ExecutionItem, tickMs: number) {
  return { executionId, arrivedAt, executedAt, tick, delaySeconds: (delayTicks * tickMs) / 1_000 };
}

function minutesOf(executions: readonly ExecutionItem[], tickMs: number): QueryAnswer["minutes"] {
  const minutes = Map.groupBy(executions, ({ executedAt }) => Math.floor(executedAt / minuteMs) * minuteMs);
  return Array.from(minutes, ([at, items]) => {
    const delays = items.map(({ delayTicks }) => (delayTicks * tickMs) / 1_000);
    return {
      at,
      executions: items.length,
      meanDelaySeconds: delays.reduce((sum, delay) => sum + delay, 0) / delays.length,
      maxDelaySeconds: Math.max(...delays),
    };
  });
}
