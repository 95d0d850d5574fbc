/** The engine's ledger against the table, row by row: code of the campaign's own, which shares nothing with the audit. */
import type { LedgerEntry } from "../../platform/ledger-file.ts";

export interface Recorded {
  readonly incarnation: string;
  readonly sequence: number;
  readonly epoch: string;
  readonly executionId: string;
  readonly queryId: string;
  readonly tick: number;
}

export interface Verdict {
  readonly executions: number;
  /** Executed, not in the table, and nobody told. */
  readonly lost: number;
  /** Executed, and gone with a damaged outbox, which counted and told them. */
  readonly told: number;
  /** Rows beyond the first of an execution. */
  readonly duplicated: number;
  /** Rows with other content than the ledger's, and rows of what was never executed. */
  readonly wrong: number;
}

/**
 * @param toldLost how many rows the gaps in the table say were lost with a damaged outbox
 * Recorded but not in the ledger is allowed for the last tick of an epoch: a kill came between outbox and ledger.
 */
export function verify(ledger: readonly LedgerEntry[], recorded: readonly Recorded[], toldLost: number): Verdict {
  const rows = new Map<string, string>();
  /** Where what has this content stands. */
  const places = new Map<string, string>();
  const times = new Map<string, number>();
  for (const row of recorded) {
    const place = `${row.incarnation} ${row.sequence}`;
    rows.set(place, contentOf(row));
    places.set(contentOf(row), place);
    const execution = `${row.epoch} ${row.executionId}`;
    times.set(execution, (times.get(execution) ?? 0) + 1);
  }
  let missing = 0;
  let wrong = 0;
  const lastTicks = new Map<string, number>();
  for (const entry of ledger) {
    lastTicks.set(entry.epoch, Math.max(lastTicks.get(entry.epoch) ?? -1, entry.tick));
    const own = `${entry.incarnation} ${entry.sequence}`;
    // Rows that had never been sent get a new incarnation with an outbox that is damaged.
    const place = rows.has(own) ? own : (places.get(contentOf(entry)) ?? own);
    const row = rows.get(place);
    if (row === undefined) missing++;
    else if (row !== contentOf(entry)) wrong++;
    rows.delete(place);
  }
  const extra = new Map<string, Set<string>>();
  for (const row of rows.values()) {
    const [epoch = "", tick = ""] = row.split(" ");
    extra.set(epoch, (extra.get(epoch) ?? new Set()).add(tick));
  }
  for (const [epoch, ticks] of extra) {
    const allowed = [...ticks].filter((tick) => Number(tick) > (lastTicks.get(epoch) ?? -1));
    wrong += ticks.size - Math.min(1, allowed.length);
  }
  return {
    executions: ledger.length,
    lost: Math.max(0, missing - toldLost),
    told: Math.min(missing, toldLost),
    duplicated: [...times.values()].reduce((sum, count) => sum + count - 1, 0),
    wrong,
  };
}

function contentOf({ epoch, tick, executionId, queryId }: Omit<Recorded, "incarnation" | "sequence">): string {
  return `${epoch} ${tick} ${executionId} ${queryId}`;
}
