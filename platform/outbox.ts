/**
 * What has been executed, on disk until it is recorded for certain, and 24 hours longer, so that tables that were lost
 * are filled again. Why it is made like this: docs/adr/0401 and 0402.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "./clock.ts";
import { HighWaterMark } from "./high-water-mark.ts";
import type { Log } from "./log.ts";
import {
  checksum,
  closeFile,
  type LoadedFile,
  loadFile,
  lockOwner,
  readRows,
  type StoredRow,
  storedRow,
  timeOf,
  usedBytes,
} from "./outbox-file.ts";
import { beginIncarnation, currentSpan, heldBySpan, type Span, spansOf } from "./outbox-incarnations.ts";
import { repairFile } from "./outbox-repair.ts";
import { Retention } from "./outbox-retention.ts";
import { maxRowBytes, type NewRow } from "./outbox-row.ts";
import { OutboxDamaged, transaction, translate } from "./outbox-sqlite.ts";
import type { Range } from "./range-set.ts";
import type { GapRow, HeldIncarnation } from "./wire.ts";

export interface OutboxOptions {
  readonly file: string;
  readonly serverId: string;
  /** The file grows to about this size, then the outbox is full. */
  readonly diskBoundBytes: number;
  readonly clock: Clock;
  readonly log: Log;
  /** How long rows stay after they were recorded. */
  readonly retentionMs?: number;
  readonly uuid?: () => string;
}

/** Sequence numbers of an incarnation. */
export interface Sequences extends Range {
  readonly incarnation: string;
  /** How many losses of the outbox were told behind them, each as a gap. */
  readonly gaps: number;
}

export interface OutboxState {
  readonly incarnation: string;
  /** Sequence numbers of `incarnation`; 0 before the first. */
  readonly lastSequence: number;
  readonly recordedThrough: number;
  /** Rows that are not recorded, of every incarnation. */
  readonly waiting: number;
  readonly bytes: number;
}

/**
 * Opens the file; makes it when there is none, mends it when it is damaged. One process owns it.
 * @throws OutboxError in one line: owned by another process, of another server, of an unknown format, disk full
 */
export function openOutbox(options: OutboxOptions): Outbox {
  return new Outbox(options, lockOwner(options.file));
}

/**
 * Rows have positions, which number them within the file and never repeat, and sequence numbers, which count them
 * within an incarnation. Every change is on disk when the call returns. Calls throw OutboxError only.
 */
export class Outbox {
  readonly serverId: string;
  readonly #options: OutboxOptions;
  readonly #uuid: () => string;
  readonly #unlock: () => void;
  readonly #mark: HighWaterMark;
  #file: LoadedFile;
  #verifiedFrom: number;
  readonly #retention: Retention;
  /** Whether the file says from where on its rows were never compared with the table. */
  #uncomparedNoted: boolean;
  #compared = false;

  constructor(options: OutboxOptions, unlock: () => void) {
    this.#options = options;
    this.#uuid = options.uuid ?? randomUUID;
    this.#unlock = unlock;
    this.serverId = options.serverId;
    this.#mark = new HighWaterMark(`${options.file}.mark`);
    try {
      this.#file = this.#load();
    } catch (error) {
      this.#mark.close();
      unlock();
      throw error;
    }
    const { uncomparedFrom, lastPosition } = this.#file;
    this.#verifiedFrom = Math.min(uncomparedFrom, lastPosition + 1);
    this.#uncomparedNoted = uncomparedFrom <= lastPosition;
    this.#retention = new Retention(options, this.#file);
    const missing = this.#mark.read() - this.#file.lastPosition;
    if (missing > 0) this.reincarnate(`${missing} rows at the end of the outbox file are gone`);
  }

  /**
   * Puts rows on disk, all or none, and numbers them. With them goes a gap for each loss not told yet.
   * @throws OutboxFull and nothing was taken; RangeError for a row larger than `maxRowBytes`
   */
  append(rows: readonly NewRow[]): Sequences {
    const epoch = rows[0]?.epoch;
    return this.#guard(() => {
      this.#retention.makeRoom(this.#file);
      const file = this.#file;
      const gaps = epoch === undefined ? [] : file.losses.map((loss): Omit<GapRow, "sequence"> => ({ ...loss, epoch }));
      const first = file.lastPosition + 1;
      let position = file.lastPosition;
      transaction(file.db, () => {
        for (const row of [...rows, ...gaps]) {
          const body = JSON.stringify(row);
          if (Buffer.byteLength(body) > maxRowBytes)
            throw new RangeError(`a ${row.type} row of ${body.length} bytes is too large`);
          file.insertRow.run(++position, checksum(position, body), body);
        }
        if (gaps.length > 0) file.db.exec("DELETE FROM losses");
        if (!this.#compared && !this.#uncomparedNoted) file.saveMeta.run("uncomparedFrom", String(this.#verifiedFrom));
      });
      this.#uncomparedNoted ||= !this.#compared;
      file.lastPosition = position;
      file.losses = [];
      this.#mark.set(position);
      const span = currentSpan(this.#file);
      const last = first - span.first + rows.length;
      return { incarnation: span.incarnation, first: first - span.first + 1, last, gaps: gaps.length };
    });
  }

  state(): OutboxState {
    const span = currentSpan(this.#file);
    const [open] = this.#file.settled.missing(span);
    return {
      incarnation: span.incarnation,
      lastSequence: span.last - span.first + 1,
      recordedThrough: (open?.first ?? span.last + 1) - span.first,
      waiting: this.#file.lastPosition - this.#file.settled.size,
      bytes: usedBytes(this.#file),
    };
  }

  get lastPosition(): number {
    return this.#file.lastPosition;
  }

  /** Rows before this position were in the file when it was opened, or when one before was that never saw the table. */
  get openedBefore(): number {
    return this.#verifiedFrom;
  }

  /** The file has been compared with the table, and has lost nothing: what follows now may be sent. */
  compared(): void {
    if (this.#uncomparedNoted) this.#guard(() => this.#file.db.exec("DELETE FROM meta WHERE name = 'uncomparedFrom'"));
    this.#compared = true;
    this.#uncomparedNoted = false;
  }

  get diskBoundBytes(): number {
    return this.#options.diskBoundBytes;
  }

  /** When what lies in the oldest row on disk happened, Unix ms; undefined when there is none. */
  heldSince(): number | undefined {
    return this.#guard(() => this.#timeBefore(this.firstHeld() + 1));
  }

  /** Position of the first row on disk, recorded or not; one past the last when there is none. */
  firstHeld(): number {
    return this.#guard(() => {
      const held = this.#file.firstHeld.get()?.position;
      return typeof held === "number" ? held : this.#file.lastPosition + 1;
    });
  }

  /** The last position with a receipt whose row is still held. */
  newestRecorded(): number | undefined {
    return this.#guard(() => this.#file.entries.newestHeld());
  }

  /** Oldest first. */
  spans(): Span[] {
    return spansOf(this.#file);
  }

  /** What is on disk of each incarnation, oldest first, in its sequence numbers. */
  held(): HeldIncarnation[] {
    return this.#guard(() => heldBySpan(this.#file));
  }

  /** Positions without a receipt. */
  unsettled(range: Range = { first: 1, last: this.#file.lastPosition }): Range[] {
    return this.#file.settled.missing(range);
  }

  /** Positions with a receipt whose rows are still held, and so could be sent again. */
  recordedAndHeld(range: Range): Range[] {
    return this.#guard(() => this.#file.entries.held(range));
  }

  /** The rows of `range`, which must all be held, in order, until they have `maxBytes` (always at least one). */
  read(range: Range, maxBytes: number): StoredRow[] {
    return this.#guard(() => readRows(this.#file, range, maxBytes));
  }

  /** Takes note that these positions have receipts. Those already noted do not count anew. */
  confirm(ranges: readonly Range[]): void {
    const { settled, lastPosition } = this.#file;
    const fresh = ranges.flatMap(({ first, last }) =>
      settled.missing({ first: Math.max(1, first), last: Math.min(last, lastPosition) }),
    );
    if (fresh.length === 0) return;
    const at = this.#retention.now();
    this.#guard(() => {
      transaction(this.#file.db, () => {
        for (const range of fresh) this.#file.entries.add(range, at);
        this.#retention.save(this.#file);
      });
      for (const range of fresh) this.#file.settled.add(range);
    });
  }

  /** Their receipts are gone: these positions wait again, as far as their rows are still held. */
  retract(ranges: readonly Range[]): void {
    for (const range of ranges) {
      const held = this.recordedAndHeld(range);
      this.#guard(() => {
        transaction(this.#file.db, () => {
          for (const part of held) this.#file.entries.remove(part);
        });
        for (const part of held) this.#file.settled.remove(part);
      });
    }
  }

  /** Removes rows that were recorded long enough ago, a few thousand at a time. Returns how many. */
  trim(): number {
    return this.#guard(() => this.#retention.trim(this.#file));
  }

  /**
   * Numbers that this file, when opened, had not given out are taken: its tail was lost. What was appended since it was
   * last compared with the table gets a new incarnation; none of it may have been sent.
   */
  reincarnate(reason: string): void {
    const firstPosition = this.#verifiedFrom;
    const now = this.#options.clock.now();
    const from = Math.min(now, this.#timeBefore(firstPosition) ?? now);
    const incarnation = { id: this.#uuid(), firstPosition };
    this.#guard(() => beginIncarnation(this.#file, incarnation, { type: "gap", from, to: now, reason }));
    this.#options.log.error("the outbox has lost its tail; a new incarnation begins", { ...incarnation, reason });
  }

  close(): void {
    closeFile(this.#file);
    this.#mark.close();
    this.#unlock();
  }

  /** When what lies in the row before `position` happened, if that is still held. */
  #timeBefore(position: number): number | undefined {
    const [raw] = this.#file.readRows.all(position - 1, position - 1);
    return raw && timeOf(storedRow(raw).body);
  }

  #load(): LoadedFile {
    const { file, serverId } = this.#options;
    try {
      return loadFile(file, serverId, this.#uuid);
    } catch (error) {
      if (!(error instanceof OutboxDamaged)) throw error;
      this.#repair(this.#mark.read());
      return loadFile(file, serverId, this.#uuid);
    }
  }

  #repair(lastPosition: number): void {
    const { file, serverId, clock, log } = this.#options;
    const report = repairFile({ file, serverId, lastPosition, now: clock.now(), incarnation: this.#uuid() });
    log.error("the outbox was damaged and has been repaired", { file, ...report });
  }

  /** Mends the file when it turns out to be damaged, and tries once more. */
  #guard<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      const meaning = translate(error, this.#options.file);
      if (!(meaning instanceof OutboxDamaged)) throw meaning;
      const { lastPosition } = this.#file;
      closeFile(this.#file);
      this.#repair(lastPosition);
      this.#file = this.#load();
      return work();
    }
  }
}
