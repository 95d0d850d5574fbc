/** Which recorded rows leave an outbox: those recorded long enough ago, and at the disk bound the oldest of the others. */
import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";
import { type LoadedFile, usedBytes } from "./outbox-file.ts";
import { OutboxFull, transaction } from "./outbox-sqlite.ts";

const dayMs = 86_400_000;
/** Rows removed in one transaction: a tick must not wait long for it. */
const dropRows = 2_000;

export interface RetentionOptions {
  readonly file: string;
  readonly diskBoundBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly retentionMs?: number;
}

/**
 * Retention counts time that passed on the monotonic clock while running, and on the wall clock while not: a wall clock
 * that jumps in between trims nothing early. What changes the file belongs under the outbox's guard.
 */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #startMs: number;
  readonly #startedAt: number;
  #cut = false;

  constructor(options: RetentionOptions, { retentionMs, retentionWall }: LoadedFile) {
    this.#options = options;
    this.#startMs = retentionMs + Math.max(0, options.clock.now() - retentionWall);
    this.#startedAt = options.clock.monotonic();
  }

  /** Retention time, ms: what entries of `settled` are stamped with. */
  now(): number {
    return Math.floor(this.#startMs + this.#options.clock.monotonic() - this.#startedAt);
  }

  /** Belongs into a transaction. */
  save({ saveMeta }: LoadedFile): void {
    saveMeta.run("retentionMs", String(this.now()));
    saveMeta.run("retentionWall", String(this.#options.clock.now()));
  }

  /** Removes rows that were recorded long enough ago, a few thousand at a time. Returns how many. */
  trim(file: LoadedFile): number {
    return this.#drop(file, this.now() - (this.#options.retentionMs ?? dayMs));
  }

  /** @throws OutboxFull when the file is at its bound with nothing but rows that wait */
  makeRoom(loaded: LoadedFile): void {
    const { diskBoundBytes, log, file } = this.#options;
    if (usedBytes(loaded) < diskBoundBytes) return;
    if (!this.#cut) {
      this.#cut = true;
      log.warn("the outbox is at its bound: recorded rows are dropped before their time", { file, diskBoundBytes });
    }
    while (usedBytes(loaded) >= diskBoundBytes) {
      if (this.#drop(loaded, Number.MAX_SAFE_INTEGER) === 0) {
        throw new OutboxFull(`${file} is full: ${diskBoundBytes} bytes of rows wait to be recorded`);
      }
    }
  }

  /** Drops rows settled at `before` or earlier, oldest first. */
  #drop(file: LoadedFile, before: number): number {
    const { db, entries, deleteRows } = file;
    const old = entries.seenBy(before);
    if (old.length === 0) return 0;
    return transaction(db, () => {
      let dropped = 0;
      for (const { first, last } of old) {
        if (dropped >= dropRows) break;
        const range = { first, last: Math.min(last, first + dropRows - dropped - 1) };
        dropped += Number(deleteRows.run(range.first, range.last).changes);
        entries.remove(range);
        entries.add(range, null);
      }
      this.save(file);
      return dropped;
    });
  }
}
