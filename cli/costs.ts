import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { Command } from "commander";
import { loadOf } from "../core/workload/measures.ts";
import { LocalError } from "../local/errors.ts";
import { createEventBridge } from "../platform/aws.ts";
import { systemClock } from "../platform/clock.ts";
import { estimateRequested } from "../platform/environment.ts";
import { type Costs, readCosts, readCostsVersion, type StoredCost } from "../platform/tables/costs.ts";
import { type Connection, connect, serverClient, withDocument } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatAge, formatCount, formatOdd, formatShare, formatTable, print, printJson } from "./format.ts";
import { parseCount } from "./options.ts";

interface CostsOptions {
  readonly top?: number;
  readonly estimate: boolean;
  readonly json: boolean;
}

export function addCosts(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("costs")
    .description("what each query costs, with a standard deviation and its unit, sorted by the load that it causes")
    .option("--top <number>", "only the first so many", parseCount)
    .option("--estimate", "estimate now instead of waiting for the minute", false)
    .option("--json", "one JSON object", false)
    .action((options: CostsOptions) => run(costs(options, program.opts<{ directory: string }>().directory)));
}

async function costs({ top, estimate, json }: CostsOptions, directory: string): Promise<ExitStatus> {
  const connection = connect(directory);
  const { serverId } = await serverClient(connection).server();
  const table = connection.names.EVENKEEL_COSTS_TABLE;
  if (estimate) await requestEstimate(connection, serverId);
  const stored = await withDocument(connection, (document) => readCosts(document, table, serverId));
  const queries = byLoad(stored).slice(0, top);
  if (json) printJson({ serverId, ...summary(stored), queries });
  else print(queries.length === 0 ? "no costs yet: the first estimate comes within a minute" : screen(stored, queries));
  return exitStatus.ok;
}

/** How long an estimate asked for may take. */
const estimateMs = 20_000;

async function requestEstimate(connection: Connection, serverId: string): Promise<void> {
  const { EVENKEEL_BUS_NAME, EVENKEEL_COSTS_TABLE } = connection.names;
  const bus = createEventBridge(connection.aws);
  try {
    await withDocument(connection, async (document) => {
      const version = () => readCostsVersion(document, EVENKEEL_COSTS_TABLE, serverId);
      const before = await version();
      const { source, detailType } = estimateRequested;
      const entry = {
        Source: source,
        DetailType: detailType,
        Detail: JSON.stringify({ serverId }),
        EventBusName: EVENKEEL_BUS_NAME,
      };
      const { Entries } = await bus.send(new PutEventsCommand({ Entries: [entry] }));
      const refused = Entries?.find(({ ErrorMessage }) => ErrorMessage);
      if (refused) throw new LocalError(`the event bus refused the request: ${refused.ErrorMessage}`);
      const deadline = systemClock.monotonic() + estimateMs;
      while ((await version()) === before && systemClock.monotonic() < deadline) await systemClock.sleep(250);
    });
  } finally {
    bus.destroy();
  }
}

interface QueryCost extends StoredCost {
  readonly queryId: string;
  /** Its part of the load that all executions seen so far caused (`loadOf`). */
  readonly loadShare: number;
}

export function byLoad({ costs }: Costs): QueryCost[] {
  const caused = (cost: StoredCost) => cost.seen * loadOf(cost);
  const total = costs.values().reduce((sum, cost) => sum + caused(cost), 0);
  return [...costs]
    .map(([queryId, cost]) => ({ queryId, ...cost, loadShare: total > 0 ? caused(cost) / total : 0 }))
    .sort((a, b) => b.loadShare - a.loadShare || (a.queryId < b.queryId ? -1 : 1));
}

function summary({ costs: _, prior, ...rest }: Costs) {
  return { ...rest, prior: prior ?? null };
}

/** How sure the whole is, as the estimator itself expects, weighted by executions. */
function sureness({ quality }: Costs): string[] {
  const { expectedError, exactShare = 0, integer, unseenShare = 0, changedQueries = 0 } = quality;
  if (expectedError === undefined) return [];
  return [
    [
      `an execution's cost is known to ${formatShare(expectedError)} on average`,
      ...(integer ? [`${formatShare(exactShare)} of executions to the integer`] : []),
      ...(unseenShare >= 0.001 ? [`${formatShare(unseenShare)} of executions seem to run unseen`] : []),
      ...(changedQueries > 0 ? [`${formatCount(changedQueries)} queries changed their cost`] : []),
    ].join("; "),
  ];
}

/** Costs in percent of a tick; where executions last (`durationMs`) in CPU ms, KiB and MiB, with the duration. */
export function screen(stored: Costs, queries: readonly QueryCost[], now = systemClock.now()): string {
  const value = ({ mean, sd }: StoredCost, resource: 0 | 1 | 2) =>
    `${mean[resource].toFixed(1)} ±${sd[resource].toFixed(1)}`;
  const lasting = queries.some(({ durationMs }) => durationMs !== undefined);
  const rows = queries.map((query) => [
    query.queryId,
    value(query, 0),
    value(query, 1),
    value(query, 2),
    ...(lasting ? [query.durationMs === undefined ? "-" : `${Math.round(query.durationMs)} ms`] : []),
    formatCount(query.seen),
    formatAge(query.lastSeenAt, now),
    formatShare(query.loadShare),
  ]);
  const unreadable = stored.unreadable.map(({ key, problem }) => `cannot be read: ${key}: ${problem}`);
  return [
    `version ${stored.version}, estimated ${formatAge(stored.estimatedAt, now)} from ${formatCount(stored.windows)} windows; ${lasting ? "of one execution" : "percent of a tick"}`,
    ...sureness(stored),
    ...formatOdd(stored),
    formatTable(
      lasting
        ? ["query", "cpu ms", "io KiB", "memory MiB", "lasts", "seen", "last seen", "load"]
        : ["query", "cpu", "io", "memory", "seen", "last seen", "load"],
      rows,
    ),
    ...unreadable,
  ].join("\n");
}
