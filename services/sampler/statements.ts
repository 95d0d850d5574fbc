import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { SampledDatabase, StatementStatistics } from "./database.ts";

const ioMs = 1_000;
const statementsMs = 60_000;
const mostTold = 10;

/** What statements of a database and role are called by the gatekeeper, in their order. */
export type Identify = (database: string, role: string, texts: readonly string[]) => Promise<readonly string[]>;

export interface Credited {
  /** The query as Evenkeel knows it; null when that could not be asked. */
  readonly query: string | null;
  /** PostgreSQL's own number for it. */
  readonly queryId: string;
  readonly role: string;
  readonly calls: number;
  readonly execMs: number;
}

/**
 * Keeps the database's count of IO fresh, and logs once a minute what `pg_stat_statements` credited since, joined to the
 * queries that Evenkeel knows: for reference only. A statement is credited when it ends, so a second of these figures
 * says nothing about that second.
 */
export async function watchStatements({
  database,
  identify,
  clock,
  log,
  signal,
}: {
  database: Pick<SampledDatabase, "refreshIo" | "statements">;
  identify: Identify;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}): Promise<void> {
  let before: readonly StatementStatistics[] | undefined;
  let nextStatements = clock.monotonic();
  while (!signal.aborted) {
    await database.refreshIo();
    if (clock.monotonic() >= nextStatements) {
      nextStatements = clock.monotonic() + statementsMs;
      const now = await database.statements();
      if (before) {
        const statements = await join(creditedSince(before, now).slice(0, mostTold), identify, log);
        log.info("credited by pg_stat_statements", { seconds: statementsMs / 1_000, statements });
      }
      before = now;
    }
    await clock.sleep(ioMs, signal);
  }
}

/** What was credited between two readings, the dearest first. */
export function creditedSince(
  before: readonly StatementStatistics[],
  now: readonly StatementStatistics[],
): StatementStatistics[] {
  const key = ({ queryId, role }: StatementStatistics) => `${queryId} ${role}`;
  const known = new Map(before.map((one) => [key(one), one]));
  return now
    .map((one) => {
      const earlier = known.get(key(one));
      // Fewer calls than before: the statistics were reset.
      const base = earlier && earlier.calls <= one.calls ? earlier : { calls: 0, totalExecMs: 0 };
      return { ...one, calls: one.calls - base.calls, totalExecMs: one.totalExecMs - base.totalExecMs };
    })
    .filter(({ calls }) => calls > 0)
    .sort((one, other) => other.totalExecMs - one.totalExecMs);
}

/** Names each statement as the gatekeeper does. Where that cannot be asked the figures stand without a name. */
export async function join(
  statements: readonly StatementStatistics[],
  identify: Identify,
  log: Pick<Log, "warn">,
): Promise<Credited[]> {
  const names = new Map<StatementStatistics, string>();
  try {
    for (const group of Map.groupBy(statements, ({ database, role }) => `${database} ${role}`).values()) {
      const [{ database, role } = { database: "", role: "" }] = group;
      const ids = await identify(
        database,
        role,
        group.map(({ text }) => text),
      );
      for (const [index, one] of group.entries()) names.set(one, ids[index] ?? "");
    }
  } catch (error) {
    log.warn("pg_stat_statements could not be joined to the queries known", { problem: describeError(error) });
  }
  return statements.map((one) => ({
    query: names.get(one) ?? null,
    ...{ queryId: one.queryId, role: one.role, calls: one.calls, execMs: Math.round(one.totalExecMs) },
  }));
}
