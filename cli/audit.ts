import { existsSync, globSync } from "node:fs";
import type { Command } from "commander";
import { LocalError } from "../local/errors.ts";
import { auditServer, type IncarnationAudit, type ServerAudit, sizeOf } from "../platform/audit.ts";
import { createDocument, createSqs } from "../platform/aws.ts";
import { systemClock } from "../platform/clock.ts";
import type { Range } from "../platform/range-set.ts";
import type { ServerInfo } from "../platform/wire.ts";
import { connect, serverClient } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatCount, formatTable, print, printJson } from "./format.ts";
import { createLiveLine } from "./live-line.ts";
import { parseSeconds } from "./options.ts";

interface AuditOptions {
  readonly wait: number;
  readonly deep: boolean;
  readonly watch: boolean;
  readonly ledger?: string | false;
  readonly json: boolean;
}

const help = `
It reads receipts and gaps, not rows: 10^8 executions take seconds to minutes. With --deep it reads every row of both
tables (and pays for that): rows that a receipt claims and that are not there, rows that stand twice or differ.
Exit status: 0 only when nothing is missing and nothing may have gone unseen, 1 otherwise.`;

export function addAudit(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("audit")
    .description("compare what was executed with the tables; exit status 0 only when nothing is missing")
    .option("--wait <seconds>", "how long rows on their way may take", parseSeconds, 15)
    .option("--deep", "look for each row itself, not only for its receipt (reads the whole tables)", false)
    .option("--watch", "again every 2 seconds, until Ctrl-C", false)
    .option("--ledger <file>", "the engine's own account; default: that of the simulated database run here")
    .option("--no-ledger", "leave it out")
    .option("--json", "one JSON object (with --watch: a line each time)", false)
    .addHelpText("after", help)
    .action((options: AuditOptions) => run(audit(options, program.opts<{ directory: string }>().directory)));
}

const watchMs = 2_000;

async function audit(options: AuditOptions, directory: string): Promise<ExitStatus> {
  const { wait, deep, watch, json } = options;
  const connection = connect(directory);
  const client = serverClient(connection);
  const document = createDocument(connection.aws);
  const sqs = createSqs(connection.aws);
  const stop = new AbortController();
  if (watch) for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const progress = createLiveLine(process.stderr, systemClock.monotonic);
  const deadline = systemClock.monotonic() + (watch ? 0 : wait * 1_000);
  try {
    let asked = await client.server();
    for (;;) {
      const server = watch ? await client.server() : upTo(asked, await client.server());
      asked = server;
      const result = await auditServer({
        document,
        sqs,
        names: connection.names,
        server,
        ledgerFile: ledgerOf(options, directory, server.serverId),
        deep,
        now: Date.now(),
        onProgress: (rows) => {
          if (process.stderr.isTTY) progress.show(`${formatCount(rows)} rows read`);
        },
      });
      progress.clear();
      const good = result.complete && result.exact;
      if (!good && systemClock.monotonic() < deadline && mayYetCome(result)) {
        await systemClock.sleep(500);
        continue;
      }
      if (json) printJson(result);
      else print(`${watch && process.stdout.isTTY ? "\u001b[2J\u001b[H" : ""}${screen(result)}`);
      if (watch) await systemClock.sleep(watchMs, stop.signal);
      if (!watch || stop.signal.aborted) return good ? exitStatus.ok : exitStatus.no;
    }
  } finally {
    document.destroy();
    sqs.destroy();
  }
}

/** `now`, but only with what had been given out when `asked` was: a server at work never has nothing on its way. */
function upTo({ outbox: { incarnation, lastSequence } }: ServerInfo, now: ServerInfo): ServerInfo {
  return now.outbox.incarnation === incarnation ? { ...now, outbox: { ...now.outbox, lastSequence } } : now;
}

/** The ledger of the simulated database that runs from `directory`, unless told otherwise. */
function ledgerOf({ ledger }: AuditOptions, directory: string, serverId: string): string | undefined {
  if (ledger === false) return undefined;
  if (ledger !== undefined) {
    if (!existsSync(ledger)) throw new LocalError(`${ledger}: there is no such ledger`);
    return ledger;
  }
  if (process.env.EVENKEEL_SERVER_URL) return undefined;
  return globSync(`*/servers/${serverId}/database/ledger.log`, { cwd: directory }).map(
    (file) => `${directory}/${file}`,
  )[0];
}

/** Waiting helps while what is missing is still held. */
function mayYetCome({ incarnations }: ServerAudit): boolean {
  return incarnations.every(({ lost, deadLettered, gaps }) => lost.length === 0 && deadLettered === 0 && gaps === 0);
}

const shownRanges = 5;

function screen({
  serverId,
  complete,
  exact,
  duplicated,
  waiting,
  queue,
  deadLetters,
  incarnations,
}: ServerAudit): string {
  const deep = duplicated !== null;
  const titles = [
    "outbox",
    "executed",
    "recorded",
    "missing",
    "in outbox",
    "lost",
    "dead letters",
    "discarded",
    "gaps",
  ];
  const rows = incarnations.map(({ rows: found, ...audit }) => [
    audit.incarnation,
    audit.executed,
    audit.recorded,
    sizeOf(audit.missing) + sizeOf(found?.absent ?? []),
    audit.inOutbox,
    sizeOf(audit.lost),
    audit.deadLettered,
    audit.discarded,
    audit.gaps,
    ...(deep ? [found?.conflicting ?? 0, found?.wrong ?? 0] : []),
  ]);
  const lines = [formatTable(deep ? [...titles, "conflicting", "wrong"] : titles, rows)];
  for (const audit of incarnations) lines.push(...describe(audit));
  const total = (count: (audit: IncarnationAudit) => number) =>
    formatCount(incarnations.reduce((sum, audit) => sum + count(audit), 0));
  if (incarnations.some(({ ledger }) => ledger)) {
    const since = new Date(Math.min(...incarnations.flatMap(({ ledger }) => ledger?.since ?? []))).toISOString();
    const executions = total((of) => of.ledger?.executions ?? 0);
    const unrecorded = total((of) => of.ledger?.unrecorded ?? 0);
    lines.push(`the engine's ledger, since ${since}: ${executions} executions, ${unrecorded} of them not recorded`);
  }
  if (deep) lines.push(`under more than one number: ${formatCount(duplicated)}`);
  const letters = deadLetters === null ? "" : `; about ${formatCount(deadLetters)} letters in the dead-letter queue`;
  const messages = queue && `about ${formatCount(queue.waiting + queue.underWay)} messages in the queue${letters}`;
  lines.push(`${formatCount(waiting)} rows wait in the outbox; ${messages ?? "the queue does not answer"}`);
  lines.push(`server ${serverId}: ${verdict(complete, exact, incarnations)}`);
  return lines.join("\n");
}

function verdict(complete: boolean, exact: boolean, incarnations: readonly IncarnationAudit[]): string {
  if (complete && exact) return "everything that was executed is recorded";
  if (complete) return "everything is recorded, but NOT exactly once";
  const lacks = incarnations.some(
    ({ missing, deadLettered, rows, ledger }) =>
      missing.length > 0 || deadLettered > 0 || (rows?.absent.length ?? 0) > 0 || (ledger?.unrecorded ?? 0) > 0,
  );
  return lacks ? "NOT complete" : "NOT known to be complete: something may have gone unseen in the gaps";
}

function describe({ incarnation, missing, lost, rows, expired }: IncarnationAudit): string[] {
  return [
    ...describeRanges(`${incarnation}: without a receipt`, missing),
    ...describeRanges(`${incarnation}: without a receipt, and held by nobody any more`, lost),
    ...describeRanges(`${incarnation}: with a receipt, but not in the table`, rows?.absent ?? []),
    ...(expired > 0 ? [`${incarnation}: ${formatCount(expired)} rows are past the time that they are kept for`] : []),
  ];
}

function describeRanges(what: string, ranges: readonly Range[]): string[] {
  if (ranges.length === 0) return [];
  const shown = ranges
    .slice(0, shownRanges)
    .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  return [
    `${what}: ${shown.join(", ")}${ranges.length > shownRanges ? `, and ${ranges.length - shownRanges} more ranges` : ""}`,
  ];
}
