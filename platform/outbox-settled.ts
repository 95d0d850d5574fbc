import type { DatabaseSync, StatementSync } from "node:sqlite";
import { numbersOf } from "./outbox-sqlite.ts";
import { type Range, RangeSet } from "./range-set.ts";

/** Receipts seen within the same minute share an entry. */
const bucketMs = 60_000;

/**
 * The table `settled`: positions with nothing left to do, as ranges. `at` is the retention time at which their receipts
 * were seen, null once their rows are no longer held. Changes belong into a transaction.
 */
export class SettledEntries {
  readonly #overlapping: StatementSync;
  readonly #before: StatementSync;
  readonly #newestHeld: StatementSync;
  readonly #old: StatementSync;
  readonly #insert: StatementSync;
  readonly #lengthen: StatementSync;
  readonly #delete: StatementSync;

  constructor(db: DatabaseSync) {
    this.#overlapping = db.prepare("SELECT first, last, at FROM settled WHERE last >= ? AND first <= ? ORDER BY first");
    this.#before = db.prepare("SELECT first, last, at FROM settled WHERE first < ? ORDER BY first DESC LIMIT 1");
    this.#newestHeld = db.prepare("SELECT last FROM settled WHERE at IS NOT NULL ORDER BY first DESC LIMIT 1");
    this.#old = db.prepare("SELECT first, last FROM settled WHERE at <= ? ORDER BY first LIMIT 100");
    this.#insert = db.prepare("INSERT INTO settled VALUES (?, ?, ?)");
    this.#lengthen = db.prepare("UPDATE settled SET last = ? WHERE first = ?");
    this.#delete = db.prepare("DELETE FROM settled WHERE first = ?");
  }

  /** The parts of `range` with a receipt and rows that are still held. */
  held(range: Range): Range[] {
    return this.#overlapping
      .all(range.first, range.last)
      .filter(({ at }) => at !== null)
      .map((entry) => numbersOf(entry, "first", "last"))
      .map(([first = 0, last = 0]) => ({ first: Math.max(first, range.first), last: Math.min(last, range.last) }));
  }

  newestHeld(): number | undefined {
    const last = this.#newestHeld.get()?.last;
    return typeof last === "number" ? last : undefined;
  }

  /** Held ranges whose receipts were seen at `time` or earlier; oldest positions first, not all at once. */
  seenBy(time: number): Range[] {
    return this.#old
      .all(time)
      .map((entry) => numbersOf(entry, "first", "last"))
      .map(([first = 0, last = 0]) => ({ first, last }));
  }

  /** Adds an entry, or lengthens the one before it when it is of the same minute. */
  add({ first, last }: Range, at: number | null): void {
    const before = this.#before.get(first);
    const bucket = (time: unknown) => (typeof time === "number" ? Math.floor(time / bucketMs) : null);
    if (before && before.last === first - 1 && bucket(before.at) === bucket(at)) {
      this.#lengthen.run(last, Number(before.first));
    } else {
      this.#insert.run(first, last, at);
    }
  }

  /** Cuts `range` out of the entries. */
  remove(range: Range): void {
    for (const entry of this.#overlapping.all(range.first, range.last)) {
      const [first = 0, last = 0] = numbersOf(entry, "first", "last");
      this.#delete.run(first);
      for (const rest of new RangeSet([range]).missing({ first, last })) {
        this.#insert.run(rest.first, rest.last, typeof entry.at === "number" ? entry.at : null);
      }
    }
  }
}
