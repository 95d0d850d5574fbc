import type { Command } from "commander";
import { systemClock } from "../platform/clock.ts";
import { type Range, RangeSet } from "../platform/range-set.ts";
import { readGaps, readReceipts, readTombstones } from "../platform/tables/executions.ts";
import { scan } from "../platform/tables/query.ts";
import { listIncarnations } from "../platform/tables/servers.ts";
import type { ServerInfo } from "../platform/wire.ts";
import { type Connection, connect, serverClient, withDocument } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatCount, formatTable, print, printJson } from "./format.ts";
import { parseSeconds } from "./options.ts";

interface AuditOptions {
  readonly wait: number;
  readonly deep: boolean;
  readonly json: boolean;
}

/** One outbox file: its rows (executions, windows, gaps) are numbered from 1. */
interface IncarnationAudit {
  readonly incarnation: string;
  /** The last number given out when the audit began; of an earlier outbox, the last that ever came. */
  readonly executed: number;
  readonly recorded: number;
  /** Rows that no receipt covers. */
  readonly missing: readonly Range[];
  /** Rows that could not be read and lie in the dead-letter queue. */
  readonly deadLettered: number;
  /** With --deep: rows that a receipt covers and no table has. */
  readonly absent: readonly Range[];
  /** With --deep: rows beyond the first under one number. */
  readonly duplicated: number;
  /** Times in which a tap could not see its server: what ran then may be missing. */
  readonly gaps: number;
}

export function addAudit(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("audit")
    .description("compare the server's numbering with the table; exit status 0 only when nothing is missing")
    .option("--wait <seconds>", "how long rows on their way may take", parseSeconds, 15)
    .option("--deep", "look for each row itself, not only for its receipt (reads the whole tables)", false)
    .option("--json", "one JSON object", false)
    .action((options: AuditOptions) => run(audit(options, program.opts<{ directory: string }>().directory)));
}

async function audit({ wait, deep, json }: AuditOptions, directory: string): Promise<ExitStatus> {
  const connection = connect(directory);
  const client = serverClient(connection);
  const server = await client.server();
  const deadline = systemClock.monotonic() + wait * 1_000;
  for (;;) {
    const incarnations = await auditServer(connection, server, deep);
    const complete = incarnations.every(isComplete);
    if (!complete && systemClock.monotonic() < deadline) {
      await systemClock.sleep(500);
      continue;
    }
    const { waiting } = (await client.server()).outbox;
    const result = { serverId: server.serverId, complete, waiting, incarnations };
    if (json) printJson(result);
    else print(screen(result));
    return complete ? exitStatus.ok : exitStatus.no;
  }
}

function isComplete({ missing, deadLettered, absent }: IncarnationAudit): boolean {
  return missing.length === 0 && deadLettered === 0 && absent.length === 0;
}

/** Audits every outbox that the server ever had, up to what it had given out when `server` was asked. */
async function auditServer(connection: Connection, server: ServerInfo, deep: boolean): Promise<IncarnationAudit[]> {
  const { serverId, outbox } = server;
  const { EVENKEEL_EXECUTIONS_TABLE: table, EVENKEEL_SERVERS_TABLE: servers } = connection.names;
  return withDocument(connection, async (document) => {
    const known = (await listIncarnations(document, servers, serverId)).map(({ incarnation }) => incarnation);
    const audits: IncarnationAudit[] = [];
    for (const incarnation of new Set([...known, outbox.incarnation])) {
      const receipts = new RangeSet(await readReceipts(document, table, serverId, incarnation, 0));
      const tombstones = await readTombstones(document, table, serverId, incarnation);
      const buried = new RangeSet(tombstones.map(({ sequence }) => ({ first: sequence, last: sequence })));
      const covered = new RangeSet([...receipts.ranges, ...buried.ranges]);
      const executed = incarnation === outbox.incarnation ? outbox.lastSequence : (covered.ranges.at(-1)?.last ?? 0);
      const missing = covered.missing({ first: 1, last: executed });
      const deadLettered = sizeOf(buried.within({ first: 1, last: executed }));
      const { absent, duplicated } = deep
        ? await compareRows(connection, serverId, incarnation, covered, buried, executed)
        : { absent: [], duplicated: 0 };
      audits.push({
        incarnation,
        executed,
        recorded: executed - sizeOf(missing) - deadLettered - sizeOf(absent),
        missing,
        deadLettered,
        absent,
        duplicated,
        gaps: (await readGaps(document, table, serverId, incarnation)).length,
      });
    }
    return audits;
  });
}

/** Rows up to `last` that are said to be recorded and of which no table has an item, and rows that it has twice. */
async function compareRows(
  connection: Connection,
  serverId: string,
  incarnation: string,
  covered: RangeSet,
  buried: RangeSet,
  last: number,
): Promise<Pick<IncarnationAudit, "absent" | "duplicated">> {
  const { EVENKEEL_EXECUTIONS_TABLE, EVENKEEL_WINDOWS_TABLE } = connection.names;
  const sequences = new Set<number>();
  let rows = 0;
  await withDocument(connection, async (document) => {
    for (const table of [EVENKEEL_EXECUTIONS_TABLE, EVENKEEL_WINDOWS_TABLE]) {
      for await (const { key, incarnation: of, sequence } of scan(document, table)) {
        if (of !== incarnation || typeof sequence !== "number" || !String(key).startsWith(`${serverId}#`)) continue;
        sequences.add(sequence);
        rows += 1;
      }
    }
  });
  const present = new RangeSet(buried.ranges);
  // In order, for a set of ranges takes a number at its end at once.
  for (const sequence of Uint32Array.from(sequences).sort()) present.add({ first: sequence, last: sequence });
  const absent = present.missing({ first: 1, last }).flatMap((range) => covered.within(range));
  return { absent, duplicated: rows - sequences.size };
}

function sizeOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

interface AuditResult {
  readonly serverId: string;
  readonly complete: boolean;
  /** Rows in the outbox that are not recorded yet, those executed since the audit began among them. */
  readonly waiting: number;
  readonly incarnations: readonly IncarnationAudit[];
}

const shownRanges = 5;

function screen({ serverId, complete, waiting, incarnations }: AuditResult): string {
  const rows = incarnations.map((audit) => [
    audit.incarnation,
    audit.executed,
    audit.recorded,
    sizeOf(audit.missing) + sizeOf(audit.absent),
    audit.duplicated,
    audit.deadLettered,
    audit.gaps,
  ]);
  const titles = ["outbox", "executed", "recorded", "missing", "duplicated", "dead letters", "gaps"];
  const lines = [formatTable(titles, rows)];
  for (const { incarnation, missing, absent } of incarnations) {
    lines.push(...describeRanges(`${incarnation}: without a receipt`, missing));
    lines.push(...describeRanges(`${incarnation}: with a receipt, but not in the table`, absent));
  }
  const missing = incarnations.reduce((sum, audit) => sum + sizeOf(audit.missing), 0);
  if (missing > 0) {
    lines.push(`${formatCount(Math.min(missing, waiting))} of the missing rows still wait in the outbox`);
  }
  lines.push(`server ${serverId}: ${complete ? "everything that was executed is recorded" : "NOT complete"}`);
  return lines.join("\n");
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
