/** Keeps an outbox's idea of what is recorded in step with the receipts in the table, in both directions. */
import { type Clock, inTime } from "./clock.ts";
import type { Log } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import type { Span } from "./outbox-incarnations.ts";
import { type Range, RangeSet } from "./range-set.ts";
import { receiptReach } from "./tables/receipts.ts";

export interface ReceiptWatchOptions {
  readonly outbox: Outbox;
  /** Receipts that overlap these sequence numbers; strongly consistent. */
  readonly readReceipts: (incarnation: string, range: Range) => Promise<readonly Range[]>;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the receipts of everything that is still held are read again. */
  readonly recheckMs: number;
  /** Positions whose receipts are read at once. */
  readonly pieceRows: number;
}

const answerMs = 5_000;

export class ReceiptWatch {
  readonly #options: ReceiptWatchOptions;
  #verified = false;
  /** The next position of a recheck under way. */
  #rechecking: number | undefined;
  #nextRecheck: number;

  constructor(options: ReceiptWatchOptions) {
    this.#options = options;
    this.#nextRecheck = options.clock.monotonic() + Math.min(60_000, options.recheckMs);
  }

  /** Whether everything held is being read again. */
  get rechecking(): boolean {
    return this.#rechecking !== undefined;
  }

  /** The first contact, before anything may be sent: has the file lost its tail, and what of it was recorded? */
  async verify(signal: AbortSignal): Promise<void> {
    if (this.#verified) return;
    const { outbox, pieceRows } = this.#options;
    const span = outbox.spans().at(-1);
    if (span) {
      const { openedBefore: first } = outbox;
      const beyond = (await this.#recorded(span, { first, last: first + receiptReach }, signal)).size;
      if (beyond > 0) outbox.reincarnate(`the tail of the outbox file was lost: ${beyond} rows of it are recorded`);
    }
    for (const range of outbox.unsettled({ first: 1, last: outbox.openedBefore - 1 })) {
      for (let first = range.first; first <= range.last; first += pieceRows) {
        await this.#compare({ first, last: Math.min(range.last, first + pieceRows - 1) }, signal);
      }
    }
    outbox.compared();
    this.#verified = true;
  }

  /**
   * Reads receipts of what is under way, of the newest recorded row, and a piece of everything held when that is due.
   * False when receipts seen before are gone: then all that is held is looked at next.
   */
  async look(underWay: readonly Range[], signal: AbortSignal): Promise<boolean> {
    const { outbox, clock, recheckMs, pieceRows } = this.#options;
    const asked = new RangeSet(underWay);
    // If the newest receipt is gone, the table has lost others, too.
    const newest = outbox.newestRecorded();
    if (newest !== undefined) asked.add({ first: newest, last: newest });
    if (this.#rechecking === undefined && clock.monotonic() >= this.#nextRecheck) this.#rechecking = outbox.firstHeld();
    const from = this.#rechecking;
    if (from !== undefined) asked.add({ first: from, last: Math.min(from + pieceRows - 1, outbox.lastPosition) });
    let complete = true;
    for (const range of coalesce(asked.ranges, pieceRows / 10))
      complete = (await this.#compare(range, signal)) && complete;
    if (from !== undefined) this.#rechecking = from + pieceRows;
    if (!complete && from === undefined) this.#rechecking = outbox.firstHeld();
    if (this.#rechecking !== undefined && this.#rechecking > outbox.lastPosition) {
      this.#rechecking = undefined;
      this.#nextRecheck = clock.monotonic() + recheckMs;
    }
    return complete;
  }

  /** Takes the table's word on these positions. False when receipts seen before are gone. */
  async #compare(range: Range, signal: AbortSignal): Promise<boolean> {
    const { outbox, log } = this.#options;
    let complete = true;
    for (const span of outbox.spans()) {
      const part = { first: Math.max(span.first, range.first), last: Math.min(span.last, range.last) };
      if (part.last < part.first) continue;
      const recorded = await this.#recorded(span, part, signal);
      outbox.confirm(recorded.within(part));
      const gone = outbox.recordedAndHeld(part).flatMap((held) => recorded.missing(held));
      if (gone.length === 0) continue;
      complete = false;
      const rows = new RangeSet(gone).size;
      log.warn("receipts are gone, the table has lost data: it is sent again", { incarnation: span.incarnation, rows });
      outbox.retract(gone);
    }
    return complete;
  }

  /** Positions that have a receipt, of `span` from `range.first` to `range.last`. A half-open connection holds nobody up. */
  async #recorded(span: Span, range: Range, signal: AbortSignal): Promise<RangeSet> {
    const { readReceipts, clock } = this.#options;
    const offset = span.first - 1;
    const reading = readReceipts(span.incarnation, shifted(range, -offset)).catch((cause) => {
      throw new Error("receipts cannot be read", { cause });
    });
    const receipts = await inTime(clock, reading, { ms: answerMs, message: "the table does not answer", signal });
    const all = new RangeSet(receipts.map((receipt) => shifted(receipt, offset)));
    return new RangeSet(all.within(range));
  }
}

function shifted({ first, last }: Range, by: number): Range {
  return { first: first + by, last: last + by };
}

/** Ranges with less than `gap` between them become one. */
function coalesce(ranges: readonly Range[], gap: number): Range[] {
  const merged: Range[] = [];
  for (const range of ranges) {
    const before = merged.at(-1);
    if (before && range.first - before.last < gap) merged.splice(-1, 1, { first: before.first, last: range.last });
    else merged.push(range);
  }
  return merged;
}
