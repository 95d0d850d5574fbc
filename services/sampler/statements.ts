import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { SampledDatabase } from "./database.ts";

const ioMs = 1_000;
const statementsMs = 60_000;
const mostTold = 10;

/**
 * Keeps the database's count of IO fresh, and logs once a minute what `pg_stat_statements` credited since: for
 * reference only. A statement is credited when it ends, so a second of these figures says nothing about that second.
 */
export async function watchStatements({
  database,
  clock,
  log,
  signal,
}: {
  database: SampledDatabase;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}): Promise<void> {
  let before: ReadonlyMap<string, { calls: number; totalExecMs: number }> | undefined;
  let nextStatements = clock.monotonic();
  while (!signal.aborted) {
    await database.refreshIo();
    if (clock.monotonic() >= nextStatements) {
      nextStatements = clock.monotonic() + statementsMs;
      const now = await database.statements();
      const since = before;
      if (since) {
        const credited = now
          .map(({ queryId, calls, totalExecMs }) => {
            const earlier = since.get(queryId);
            // Fewer calls than before: the statistics were reset.
            const base = earlier && earlier.calls <= calls ? earlier : { calls: 0, totalExecMs: 0 };
            return { queryId, calls: calls - base.calls, execMs: Math.round(totalExecMs - base.totalExecMs) };
          })
          .filter(({ calls }) => calls > 0)
          .sort((one, other) => other.execMs - one.execMs);
        log.info("credited by pg_stat_statements", {
          seconds: statementsMs / 1_000,
          statements: credited.slice(0, mostTold),
        });
      }
      before = new Map(now.map((one) => [one.queryId, one]));
    }
    await clock.sleep(ioMs, signal);
  }
}
