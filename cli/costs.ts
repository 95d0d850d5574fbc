import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import type { Command } from "commander";
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
    .description("what each query costs, with a standard deviation, sorted by the load that it causes")
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
  /** Its part of the load that all executions seen so far caused, over the three resources. */
  readonly loadShare: number;
}

function byLoad({ costs }: Costs): QueryCost[] {
  const loadOf = ({ mean, seen }: StoredCost) => seen * Math.max(0, mean[0] + mean[1] + mean[2]);
  const total = costs.values().reduce((sum, cost) => sum + loadOf(cost), 0);
  return [...costs]
    .map(([queryId, cost]) => ({ queryId, ...cost, loadShare: total > 0 ? loadOf(cost) / total : 0 }))
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

function screen(stored: Costs, queries: readonly QueryCost[]): string {
  const now = systemClock.now();
  const value = ({ mean, sd }: StoredCost, resource: 0 | 1 | 2) =>
    `${mean[resource].toFixed(1)} ±${sd[resource].toFixed(1)}`;
  const rows = queries.map((query) => [
    query.queryId,
    value(query, 0),
    value(query, 1),
    value(query, 2),
    formatCount(query.seen),
    formatAge(query.lastSeenAt, now),
    formatShare(query.loadShare),
  ]);
  const unreadable = stored.unreadable.map(({ key, problem }) => `cannot be read: ${key}: ${problem}`);
  return [
    `version ${stored.version}, estimated ${formatAge(stored.estimatedAt, now)} from ${formatCount(stored.windows)} windows; percent of a tick`,
    ...sureness(stored),
    ...formatOdd(stored),
    formatTable(["query", "cpu", "io", "memory", "seen", "last seen", "load"], rows),
    ...unreadable,
  ].join("\n");
}
