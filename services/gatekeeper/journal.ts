import { describeError, type Log } from "../../platform/log.ts";
import type { Outbox } from "../../platform/outbox.ts";
import { fitting, type NewRow } from "../../platform/outbox-row.ts";
import { RangeSet } from "../../platform/range-set.ts";

export interface JournalOptions {
  readonly outbox: Pick<Outbox, "append" | "read" | "unsettled" | "recordedAndHeld" | "lastPosition">;
  readonly log: Log;
}

/** So many executions are remembered, up to twice as many: an application tells again what it was not told to be on disk, far fewer. */
const remembered = 100_000;
const mostUnwritten = 20_000;

/** Puts rows on disk, each execution once, though applications may tell of one several times. */
export class Journal {
  readonly #options: JournalOptions;
  #recorded = new Set<string>();
  /** Those before: one at a time cannot be forgotten cheaply, a set keeps the places of what was deleted. */
  #recordedBefore = new Set<string>();
  #unwritten: NewRow[] = [];
  trouble: string | null = null;
  readonly counted = { executions: 0, windows: 0, gaps: 0 };

  constructor(options: JournalOptions) {
    this.#options = options;
    // Applications tell again what a gatekeeper before this one had on disk and could not tell them any more.
    const { outbox } = options;
    const recent = { first: Math.max(1, outbox.lastPosition - remembered + 1), last: outbox.lastPosition };
    for (const { first, last } of new RangeSet([...outbox.unsettled(recent), ...outbox.recordedAndHeld(recent)])
      .ranges) {
      for (let position = first; position <= last; ) {
        const rows = outbox.read({ first: position, last }, 4 * 1024 * 1024);
        for (const { body } of rows) this.#remember(JSON.parse(body).executionId);
        position += rows.length;
      }
    }
  }

  /** Whether this execution's row was added before. */
  has(executionId: string): boolean {
    return this.#recorded.has(executionId) || this.#recordedBefore.has(executionId);
  }

  /** Takes no more until the disk takes what waits. */
  get full(): boolean {
    return this.#unwritten.length >= mostUnwritten;
  }

  add(row: NewRow): void {
    if (row.type === "execution") {
      if (this.has(row.executionId)) return;
      this.#remember(row.executionId);
    }
    this.#unwritten.push(row.type === "window" ? fitting(row) : row);
  }

  /** False when the disk takes nothing: then everything stays and is tried again. */
  write(): boolean {
    if (this.#unwritten.length === 0) return true;
    const { outbox, log } = this.#options;
    try {
      outbox.append(this.#unwritten);
    } catch (error) {
      const trouble = `nothing can be recorded: ${describeError(error)}`;
      if (trouble !== this.trouble) log.error(trouble);
      this.trouble = trouble;
      return false;
    }
    if (this.trouble) log.info("recording goes on", { after: this.trouble });
    this.trouble = null;
    for (const { type } of this.#unwritten) this.counted[`${type}s`]++;
    this.#unwritten = [];
    return true;
  }

  #remember(executionId: unknown): void {
    if (typeof executionId !== "string") return;
    if (this.#recorded.size >= remembered) {
      this.#recordedBefore = this.#recorded;
      this.#recorded = new Set();
    }
    this.#recorded.add(executionId);
  }
}
