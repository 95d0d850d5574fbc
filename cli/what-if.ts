/** What `frontier` and `replay` share: traffic to run again, what it costs, and progress. */
import { setImmediate as breathe } from "node:timers/promises";
import { defaultKnobs } from "../core/workload/steering/knobs.ts";
import type { CostEstimate, Knobs, Triple } from "../core/workload/types.ts";
import { whatHappened } from "../core/workload/what-if/recorded.ts";
import type { Costs, Recording } from "../core/workload/what-if/recording.ts";
import type { Progress } from "../core/workload/what-if/replay.ts";
import type { Measures } from "../core/workload/what-if/tally.ts";
import { LocalError } from "../local/errors.ts";
import type { ScenarioTraffic } from "../local/scenario-traffic.ts";
import { systemClock } from "../platform/clock.ts";
import { schedulerKnobs } from "../platform/scheduler-status.ts";
import { readCosts } from "../platform/tables/costs.ts";
import { readTraffic } from "../platform/tables/traffic.ts";
import { type Connection, connect, serverClient, withDocument } from "./connection.ts";
import { createLiveLine } from "./live-line.ts";
import { ask } from "./observe.ts";

/** Traffic, and what its executions are taken to cost. */
export interface Source {
  /** In a few words, for people. */
  readonly name: string;
  readonly recording: Recording;
  readonly costs: Costs;
  readonly knobs: Knobs;
  /** What did happen; undefined for a scenario, of which nothing did. */
  readonly happened: Measures | undefined;
  readonly warnings: readonly string[];
}

/** How to say on a terminal what share of work is done. */
export interface Reporter {
  show(what: string, share: number): void;
  clear(): void;
}

export function createReporter(): Reporter {
  const line = createLiveLine(process.stderr, systemClock.monotonic);
  return { show: (what, share) => line.show(`${what}: ${Math.floor(share * 100)}%`), clear: line.clear };
}

/** Runs work, saying how far it is; Ctrl-C gets through in between. */
export async function runWithProgress<Result>(
  work: Progress<Result>,
  what: string,
  reporter: Reporter,
): Promise<Result> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    reporter.show(what, value);
    await breathe();
  }
}

const exactly = (mean: Triple): CostEstimate => ({ mean, sd: [0, 0, 0], seen: 1_000_000, lastSeenAt: 0 });

export function sourceOfScenario(name: string, traffic: ScenarioTraffic): Source {
  const { costs, arrivals, ...clockwork } = traffic;
  const meanOf = (r: 0 | 1 | 2) => costs.reduce((sum, [, cost]) => sum + cost[r], 0) / costs.length;
  return {
    name,
    recording: {
      clockwork,
      ticks: arrivals.length,
      arrivals: arrivals.flatMap((queries, arrivedTick) =>
        queries.map((query) => ({ queryId: costs[query]?.[0] ?? "", arrivedTick })),
      ),
    },
    costs: {
      costs: new Map(costs.map(([queryId, cost]) => [queryId, exactly(cost)])),
      prior: exactly([meanOf(0), meanOf(1), meanOf(2)]),
    },
    knobs: defaultKnobs,
    happened: undefined,
    warnings: [],
  };
}

/**
 * The traffic recorded between two Unix times in ms, with the costs learned by now and the knobs in force.
 * @throws LocalError when there is nothing to replay
 */
export async function recordedSource(
  directory: string,
  fromMs: number,
  toMs: number,
  reporter: Reporter,
): Promise<Source> {
  if (fromMs >= toMs) throw new LocalError("--from must lie before --to");
  const connection = connect(directory);
  const { serverId, defaultDelayTicks } = await serverClient(connection).server();
  const { EVENKEEL_EXECUTIONS_TABLE, EVENKEEL_WINDOWS_TABLE, EVENKEEL_COSTS_TABLE } = connection.names;
  const tables = { executions: EVENKEEL_EXECUTIONS_TABLE, windows: EVENKEEL_WINDOWS_TABLE };
  const [traffic, costs] = await withDocument(connection, async (document) => [
    await readTraffic({
      document,
      tables,
      serverId,
      fromMs,
      toMs,
      onProgress: (share) => reporter.show("reading what was recorded", share),
    }),
    await readCosts(document, EVENKEEL_COSTS_TABLE, serverId),
  ]);
  const { executions, windows, ticks, tickMs, windowTicks, unreadable } = traffic;
  const span = `${new Date(fromMs).toISOString()} and ${new Date(toMs).toISOString()}`;
  if (tickMs === undefined || windowTicks === undefined || executions.length === 0)
    throw new LocalError(
      `nothing of ${serverId} was recorded between ${span}: choose another time with --from and --to`,
    );
  const { prior } = costs;
  if (!prior || costs.version === 0)
    throw new LocalError("no costs are known yet: the first estimate comes within a minute");
  const knobs = await knobsInForce(connection);
  const unknown = executions.filter(({ queryId }) => !costs.costs.has(queryId)).length;
  return {
    name: `${serverId}, ${executions.length} executions between ${span}`,
    recording: { clockwork: { tickMs, windowTicks, defaultDelayTicks }, arrivals: executions, ticks },
    costs: { costs: costs.costs, prior },
    knobs,
    happened: whatHappened(windows, executions, tickMs, knobs.bandWidth),
    warnings: [
      ...(unknown > 0
        ? [`${unknown} executions have no learned cost and are taken to cost what an unknown query does`]
        : []),
      ...(unreadable.length > 0 ? [`${unreadable.length} items cannot be read and are left out`] : []),
    ],
  };
}

/** Those of the scheduler; the defaults where none answers. */
async function knobsInForce({ schedulerUrl, token }: Connection): Promise<Knobs> {
  if (schedulerUrl === undefined) return defaultKnobs;
  const answer = await ask(`${schedulerUrl}/knobs`, schedulerKnobs, token);
  return answer.ok ? answer.value : defaultKnobs;
}
