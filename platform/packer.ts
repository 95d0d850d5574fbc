/** What a sender's next batch holds: which rows, in how many messages. */
import type { Clock } from "./clock.ts";
import type { Flights } from "./flights.ts";
import type { Outbox } from "./outbox.ts";
import type { StoredRow } from "./outbox-file.ts";
import type { Span } from "./outbox-incarnations.ts";
import { type Range, RangeSet } from "./range-set.ts";
import { batchFormat } from "./wire.ts";

export interface PackTuning {
  /** At least this long between messages of new rows, unless one is full: queue and function are paid per message. */
  readonly packMs: number;
  /** The same while next to nothing runs: then the windows alone would cost as much as all else that is always on. */
  readonly quietMs: number;
  /** Next to nothing: fewer rows than these; a server on which nothing runs makes a window a second. */
  readonly quietRows: number;
  /** The same for `hurryForMs` after a start or a disturbance: that all is well again shall not wait for a message to fill. */
  readonly hurryMs: number;
  readonly hurryForMs: number;
  /** SQS counts a request for each 64 KiB; and ten of these are soon recorded, even by a slow table. */
  readonly maxMessageBytes: number;
  readonly maxMessageRows: number;
  /** Messages without a receipt, beyond which only new rows are sent; fewer while they take longer than `aimMs`... */
  readonly backlogWindow: number;
  /** ...and beyond which nothing is. */
  readonly window: number;
  /** How long a new row may wait behind backlog that is under way. */
  readonly aimMs: number;
}

export interface PackerOptions {
  readonly outbox: Outbox;
  readonly flights: Flights;
  readonly clock: Clock;
  readonly tuning: PackTuning;
}

export interface Message extends Range {
  readonly resends: number;
  readonly span: Span;
  readonly body: string;
}

const maxBatchMessages = 10;
/** Some emulators take no more than 256 KiB in a batch. */
const maxBatchBytes = 250_000;
/** Fewer rows than this do not fill a message. */
const fewRows = 100;
/** So many messages under way keep a recorder busy that takes ten at a time. */
const leastWindow = 20;
/** Until the first message of a process has landed. */
const firstWindow = 4;

export class Packer {
  /** Positions that lie in the dead-letter queue: not sent again while they do. */
  readonly buried = new RangeSet();
  readonly #options: PackerOptions;
  /** New rows lie beyond; what is not settled up to here is backlog. */
  #cursor: number;
  #packedAt = Number.NEGATIVE_INFINITY;
  #hurryUntil: number;

  constructor(options: PackerOptions) {
    this.#options = options;
    this.#cursor = options.outbox.lastPosition;
    this.#hurryUntil = options.clock.monotonic() + options.tuning.hurryForMs;
  }

  /** Something was wrong: new rows go out sooner for a while. */
  hurry(): void {
    this.#hurryUntil = this.#options.clock.monotonic() + this.#options.tuning.hurryForMs;
  }

  /** The next batch: resends, then new rows, then backlog. Empty when nothing is due. */
  next(): Message[] {
    const { clock } = this.#options;
    const { window } = this.#options.tuning;
    const messages: Message[] = [];
    let bytes = 0;
    const add = (message: Message): boolean => {
      const size = Buffer.byteLength(message.body);
      if (messages.length === maxBatchMessages || (messages.length > 0 && bytes + size > maxBatchBytes)) return false;
      bytes += size;
      messages.push(message);
      return true;
    };
    for (let left = this.#options.flights.retries; left > 0; left--) {
      const retry = this.#options.flights.takeRetry();
      const [open, ...others] = retry ? this.#open(retry) : [];
      if (!retry || !open) continue;
      const message = this.#message(open, retry.resends);
      if (!message || !add(message)) {
        this.#options.flights.retryNext(retry);
        break;
      }
      // What the message does not hold waits for its turn.
      const rest = [{ first: message.last + 1, last: open.last }, ...others].filter(({ first, last }) => first <= last);
      for (const range of rest) this.#options.flights.retryLater(range, retry.resends);
    }

    const inFlight = () => this.#options.flights.count + messages.length;
    if (inFlight() < window) {
      const message = this.#packFresh(messages);
      if (message && add(message)) {
        this.#cursor = message.last;
        this.#packedAt = clock.monotonic();
      }
    }
    const backlogWindow = this.#backlogWindow();
    while (inFlight() < backlogWindow) {
      const [old] = this.#unsent({ first: 1, last: this.#cursor }, messages);
      const message = old && this.#message(old, 0);
      if (!message || !add(message)) break;
    }
    return messages;
  }

  /**
   * Backlog under way delays new rows behind it: by Little's law, as many messages as are recorded in `aimMs` are enough. The
   * latency seen grows and shrinks with the window, so that it settles.
   */
  #backlogWindow(): number {
    const { backlogWindow, aimMs } = this.#options.tuning;
    const { latencyMs } = this.#options.flights;
    // After a start: what was under way when the process before this one ended may lie in the queue still, and would be
    // recorded twice; of senders that are killed every few seconds, a recorder is soon buried under it.
    if (latencyMs === undefined) return Math.min(backlogWindow, firstWindow);
    const fitting = latencyMs <= aimMs ? backlogWindow : Math.ceil((backlogWindow * aimMs) / latencyMs);
    return Math.min(backlogWindow, Math.max(leastWindow, fitting));
  }

  /** New rows, when they are due or fill a message. */
  #packFresh(packed: readonly Range[]): Message | undefined {
    const { outbox, clock } = this.#options;
    const { maxMessageRows } = this.#options.tuning;
    const due = clock.monotonic() >= this.#packedAt + this.#pauseMs(outbox.lastPosition - this.#cursor);
    if (!due && outbox.lastPosition - this.#cursor < fewRows) return undefined;
    // What is more than two messages behind the newest counts as backlog, so that new rows need not wait for it.
    if (outbox.lastPosition - this.#cursor > 2 * maxMessageRows) this.#cursor = outbox.lastPosition - maxMessageRows;
    const [fresh] = this.#unsent({ first: this.#cursor + 1, last: outbox.lastPosition }, packed);
    const message = fresh && this.#message(fresh, 0);
    return message && (due || message.last < fresh.last) ? message : undefined;
  }

  /** Between messages of new rows that do not fill one, while `rows` wait. */
  #pauseMs(rows: number): number {
    const { packMs, quietMs, quietRows, hurryMs } = this.#options.tuning;
    if (this.#options.clock.monotonic() < this.#hurryUntil) return Math.min(packMs, hurryMs);
    return rows < quietRows ? Math.max(packMs, quietMs) : packMs;
  }

  /** What of `range` has neither a receipt nor a grave. */
  #open(range: Range): Range[] {
    return this.#options.outbox.unsettled(range).flatMap((open) => this.buried.missing(open));
  }

  /** What of `range` is open and not under way. */
  #unsent(range: Range, packed: readonly Range[]): Range[] {
    const underWay = new RangeSet([...this.#options.flights.ranges, ...packed]);
    return this.#open(range).flatMap((open) => underWay.missing(open));
  }

  /** A message with the first rows of `range`, as many as go into one. */
  #message(range: Range, resends: number): Message | undefined {
    const { outbox } = this.#options;
    const { maxMessageBytes, maxMessageRows } = this.#options.tuning;
    const span = outbox.spans().find(({ first, last }) => first <= range.first && range.first <= last);
    if (!span) return undefined;
    const last = Math.min(range.last, span.last, range.first + maxMessageRows - 1);
    const rows = outbox.read({ first: range.first, last }, maxMessageBytes);
    const end = rows.at(-1);
    if (!end) return undefined;
    const base = Math.max(1, outbox.firstHeld() - span.first + 1);
    return { first: range.first, last: end.position, resends, span, body: envelope(outbox.serverId, span, base, rows) };
  }
}

/** A message's body; rows are spliced in as they lie on disk, which spares parsing and writing them again. */
function envelope(serverId: string, span: Span, base: number, rows: readonly StoredRow[]): string {
  const sequenceOf = ({ position }: StoredRow) => position - span.first + 1;
  const [head] = rows;
  const end = rows.at(-1);
  if (!head || !end) throw new RangeError("a message has at least one row");
  const { incarnation } = span;
  const range = { first: sequenceOf(head), last: sequenceOf(end) };
  const frame = JSON.stringify({ format: batchFormat, serverId, incarnation, base, ...range });
  const texts = rows.map((row) => `{"sequence":${sequenceOf(row)},${row.body.slice(1)}`);
  return `${frame.slice(0, -1)},"rows":[${texts.join(",")}]}`;
}
