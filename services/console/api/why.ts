import { z } from "zod";
import { isInBand } from "../../../core/workload/measures.ts";
import { type HttpApp, httpError } from "../../../platform/http.ts";
import { describeError } from "../../../platform/log.ts";
import type { Explanation } from "../../../platform/scheduler-status.ts";
import { identifier } from "../../../platform/wire.ts";
import type { ExecutionStory, WindowStory } from "../contract/why.ts";
import type { SeenExecution } from "../live/executions.ts";
import type { Hub } from "../live/hub.ts";
import type { SchedulerClient } from "../scheduler-client.ts";
import type { ConsoleStore } from "../store.ts";
import { available, parseQuery, timeParameter } from "./parameters.ts";

/** Where in the table to look, for an execution that nobody remembers: its query, and when it ran. */
export const executionParameters = z.object({ query: identifier.optional(), at: timeParameter.optional() });
export const windowParameters = z.object({ at: timeParameter });

/** Matched executions beyond these are only counted. */
const mostMatched = 50;
const nearMs = 2_000;

/** GET /api/why/execution/ID and GET /api/why/window?at=MS: what ran when, and why then. */
export function addWhyRoutes(
  app: HttpApp,
  { hub, scheduler, store }: { hub: Hub; scheduler: SchedulerClient | undefined; store: ConsoleStore },
): void {
  app.get("/api/why/execution/:id{.+}", async (context) => {
    const id = identifier.safeParse(context.req.param("id"));
    if (!id.success) throw httpError(400, "this is no execution's id");
    const hint = parseQuery(context, executionParameters);
    const seen = hub.load.executions.find(id.data);
    const { explained, problem } = await explain(scheduler, id.data);
    const queryId = seen?.queryId ?? explained?.queryId ?? hint.query;
    const ranAt = seen?.executedAt ?? explained?.executedAt ?? hint.at;
    const row =
      queryId === undefined || !ranAt
        ? undefined
        : await available(hub, (serverId) => store.findExecution(serverId, queryId, id.data, ranAt));
    if (!seen && !explained && !row) {
      throw httpError(
        404,
        "nobody remembers this execution: the console keeps the last 20,000, the scheduler five minutes; older ones are found from their query's page",
      );
    }
    const tickMs = hub.tickMs ?? 100;
    const arrivedTick = seen?.arrivedTick ?? explained?.arrivedTick ?? null;
    const executedTick = row?.tick ?? seen?.executedTick ?? explained?.executedTick ?? null;
    return context.json<ExecutionStory>({
      executionId: id.data,
      queryId: row?.queryId ?? queryId ?? "",
      arrivedAt: row?.arrivedAt ?? seen?.arrivedAt ?? explained?.arrivedAt ?? null,
      arrivedTick: arrivedTick ?? (row ? row.tick - row.delayTicks : null),
      firstDueTick: seen?.arrivedAt === undefined ? null : (seen.firstDueTick ?? null),
      plan: explained ? planOf(explained, hub) : null,
      planProblem: problem,
      executedAt: row?.executedAt ?? seen?.executedAt ?? explained?.executedAt ?? null,
      executedTick,
      delaySeconds: delayOf(row?.delayTicks, arrivedTick, executedTick, tickMs),
      recorded: row
        ? {
            incarnation: row.incarnation,
            sequence: row.sequence,
            recordedAt: await available(hub, (serverId) => store.recordedAt(serverId, row.incarnation, row.sequence)),
          }
        : null,
      tickMs,
    });
  });

  app.get("/api/why/window", async (context) => {
    const { at } = parseQuery(context, windowParameters);
    const windows = await available(hub, (serverId) => store.windows(serverId, at - nearMs, at + nearMs));
    const stored = windows.find(({ endedAt }) => endedAt >= at);
    const point = hub.windowsSince(at - 1)[0];
    const endedAt = stored?.endedAt ?? point?.at;
    if (endedAt === undefined) throw httpError(404, "no window ended then");
    const live = hub.load.executions.between(endedAt - nearMs, endedAt);
    const measured = stored?.metrics ?? (point?.at === endedAt ? point : undefined);
    return context.json<WindowStory>({
      at: endedAt,
      source: stored ? "table" : "stream",
      metrics: measured ? { cpu: measured.cpu, io: measured.io, memory: measured.memory } : null,
      // Where executions last, a second is judged by those before it, which the hub has seen.
      inBand: hub.spread
        ? point?.at === endedAt
          ? point.inBand
          : null
        : measured
          ? isInBand(measured, hub.load.bandWidth)
          : null,
      bandWidth: hub.load.bandWidth,
      ticks: stored
        ? stored.ticks.map((queries, index) =>
            tickOf(stored.firstTick + index, pairUp(queries, stored.firstTick + index, live), hub),
          )
        : ticksOf(
            live.filter(({ executedAt = 0 }) => executedAt > endedAt - 1_000),
            hub,
          ),
    });
  });
}

async function explain(
  scheduler: SchedulerClient | undefined,
  id: string,
): Promise<{ explained: Explanation | undefined; problem: string | null }> {
  if (!scheduler) return { explained: undefined, problem: "this loop runs without a scheduler" };
  try {
    const explained = await scheduler.explain(id);
    return { explained, problem: explained ? null : "the scheduler did not see it within the last five minutes" };
  } catch (error) {
    return { explained: undefined, problem: `the scheduler does not answer: ${describeError(error)}`.slice(0, 300) };
  }
}

function planOf(
  { plannedAt, placedTick, reason, matchedWith }: Explanation,
  hub: Hub,
): NonNullable<ExecutionStory["plan"]> {
  const matched = matchedWith
    .slice(0, mostMatched)
    .map((executionId) => ({ executionId, queryId: hub.load.executions.find(executionId)?.queryId ?? null }));
  return { plannedAt, placedTick, reason, matched };
}

function delayOf(delayTicks: number | undefined, arrived: number | null, ran: number | null, tickMs: number) {
  if (delayTicks !== undefined) return (delayTicks * tickMs) / 1_000;
  return arrived === null || ran === null ? null : ((ran - arrived) * tickMs) / 1_000;
}

type Ran = { readonly queryId: string; readonly executionId: string | null };

/** The table's windows name queries; which execution each was, the stream told. */
function pairUp(queries: readonly string[], tick: number, live: readonly SeenExecution[]): Ran[] {
  const left = live.filter(({ executedTick }) => executedTick === tick);
  return queries.map((queryId) => {
    const index = left.findIndex((one) => one.queryId === queryId);
    const [found] = index < 0 ? [] : left.splice(index, 1);
    return { queryId, executionId: found?.id ?? null };
  });
}

function ticksOf(live: readonly SeenExecution[], hub: Hub): WindowStory["ticks"] {
  const ticks = Map.groupBy(live, ({ executedTick = 0 }) => executedTick);
  return Array.from(ticks, ([tick, ran]) =>
    tickOf(
      tick,
      ran.map(({ id, queryId }) => ({ queryId, executionId: id })),
      hub,
    ),
  );
}

function tickOf(tick: number, ran: readonly Ran[], hub: Hub): WindowStory["ticks"][number] {
  const executions = ran.map((one) => {
    const mean = hub.costs?.costs.get(one.queryId)?.mean;
    return { ...one, mean: mean ? ([...mean] satisfies [number, number, number]) : null };
  });
  const sum = (resource: 0 | 1 | 2) =>
    executions.reduce((total, { mean }) => total + (mean ?? hub.costs?.prior?.mean ?? [0, 0, 0])[resource], 0);
  return { tick, executions, predicted: [sum(0), sum(1), sum(2)] };
}
