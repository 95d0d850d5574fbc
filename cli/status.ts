import type { Command } from "commander";
import { systemClock } from "../platform/clock.ts";
import { readVersion } from "../platform/tables/costs-version.ts";
import { type Connection, connect, withDocument } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatCount, formatOdd, formatSeconds, formatShare, formatTable, print, printJson } from "./format.ts";
import { type Observation, observe, troubleOf } from "./observe.ts";

interface StatusOptions {
  readonly watch: boolean;
  readonly json: boolean;
}

export function addStatus(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("status")
    .description("how the loop does, on one screen; exit status 1 when something does not work")
    .option("--watch", "again every second, until Ctrl-C", false)
    .option("--json", "one JSON object (with --watch: a line a second)", false)
    .action((options: StatusOptions) => run(status(options, program.opts<{ directory: string }>().directory)));
}

async function status({ watch, json }: StatusOptions, directory: string): Promise<ExitStatus> {
  for (;;) {
    const connection = connect(directory);
    const { serverUrl, schedulerUrl, token } = connection;
    const observation = await observe(serverUrl, schedulerUrl, token);
    const trouble = troubleOf(observation);
    const estimator = observation.server.ok ? await estimatorOf(connection, observation.server.value.serverId) : null;
    if (json) printJson(toJson(observation, estimator, trouble));
    else print(`${watch && process.stdout.isTTY ? "\u001b[2J\u001b[H" : ""}${screen(observation, estimator, trouble)}`);
    if (!watch) return trouble.length === 0 ? exitStatus.ok : exitStatus.no;
    await systemClock.sleep(1_000);
  }
}

interface EstimatorStatus {
  readonly windows: number;
  /** Windows, or bands of windows, that could not be used, by reason. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Ticks between windows that were never read. */
  readonly skippedTicks: number;
  /** Windows that were found at times where none were expected. */
  readonly outOfTime: number;
}

/** Null before the first estimate and while the table does not answer. */
async function estimatorOf(connection: Connection, serverId: string): Promise<EstimatorStatus | null> {
  const table = connection.names.EVENKEEL_COSTS_TABLE;
  try {
    const { item } = await withDocument(connection, (document) => readVersion(document, table, serverId));
    if (!item) return null;
    const { windows, rejected = {}, skippedTicks = 0, outOfTime = 0 } = item;
    return { windows, rejected, skippedTicks, outOfTime };
  } catch {
    return null;
  }
}

function toJson({ server, scheduler }: Observation, estimator: EstimatorStatus | null, trouble: readonly string[]) {
  return {
    server: server.ok ? server.value : null,
    scheduler: scheduler?.ok ? scheduler.value : null,
    estimator,
    trouble,
  };
}

function screen(
  { server, scheduler }: Observation,
  estimator: EstimatorStatus | null,
  trouble: readonly string[],
): string {
  const rows: [string, string][] = [];
  if (server.ok) {
    const { serverId, kind, tick, tickMs, outbox, counted } = server.value;
    rows.push(
      [
        "server",
        `${serverId} (${kind === "tap" ? "a plain server, tapped" : "ours"}), tick ${formatCount(tick)} of ${tickMs} ms`,
      ],
      [
        "captured",
        `${formatCount(counted.executions)} executions, ${formatCount(counted.windows)} windows, ${counted.gaps} gaps since it started`,
      ],
      [
        "recorded",
        `rows 1 to ${formatCount(outbox.recordedThrough)} of ${formatCount(outbox.lastSequence)}; ${formatCount(outbox.waiting)} on their way`,
      ],
      ["outbox", `${(outbox.bytes / 1e6).toFixed(1)} MB`],
    );
  }
  if (estimator) {
    rows.push(["learned from", [`${formatCount(estimator.windows)} windows`, ...formatOdd(estimator)].join("; ")]);
  }
  if (scheduler?.ok) {
    const { mode, reason, api, backlog, inBand, delaySeconds, costs, lateShare, planMs, lease, advice, knobs, floor } =
      scheduler.value;
    rows.push(
      [
        "scheduler",
        `${mode} by /${api}; the lease is ${lease.holder ? `${lease.holder}'s` : "free"}, token ${lease.token}`,
      ],
      ...(reason === null ? [] : [["why not", reason] satisfies [string, string]]),
      [
        "knobs",
        `budget ${knobs.latencyP95Seconds} s (p95), band ±${Number((100 * knobs.bandWidth).toPrecision(6))}%, ${Object.keys(knobs.deadlineSeconds).length} deadlines`,
      ],
      [
        "in band",
        `${formatShare(inBand.lastMinute)} of the last minute's windows, ${formatShare(inBand.last10Minutes)} of 10 minutes, ${formatShare(inBand.lastHour)} of an hour`,
      ],
      [
        "delay",
        `mean ${formatSeconds(delaySeconds?.mean)}, p50 ${formatSeconds(delaySeconds?.p50)}, p95 ${formatSeconds(delaySeconds?.p95)}, p99 ${formatSeconds(delaySeconds?.p99)}, max ${formatSeconds(delaySeconds?.max)}`,
      ],
      ...(floor ? [["floor", `±${(100 * floor.width).toFixed(1)}%: ${floor.reason}`] satisfies [string, string]] : []),
      ["waiting", `${formatCount(backlog)} executions`],
      [
        "costs",
        costs.version === 0
          ? "none yet"
          : `version ${costs.version}, ${costs.queries} queries, ${costs.ageSeconds ?? "-"} s old`,
      ],
      ["planning", `p99 ${planMs ? planMs.p99.toFixed(2) : "-"} ms a tick, ${formatShare(lateShare)} of posts late`],
    );
    if (advice && advice !== reason) rows.push(["advice", advice]);
  }
  rows.push(...trouble.map((text): [string, string] => ["trouble", text]));
  return formatTable(["", ""], rows).trimStart();
}
