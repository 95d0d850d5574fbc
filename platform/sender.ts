/**
 * Sends an outbox's rows to the queue until each has a receipt. Rows count as recorded by receipts alone, never by a
 * queue's answer or by the greatest number seen. Why it is made like this: docs/adr/0403.
 */
import { randomUUID } from "node:crypto";
import {
  SendMessageBatchCommand,
  type SendMessageBatchCommandOutput,
  type SendMessageBatchRequestEntry,
} from "@aws-sdk/client-sqs";
import { type Clock, inTime } from "./clock.ts";
import { Flights } from "./flights.ts";
import { describeError, type Log } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import { type Message, Packer, type PackTuning } from "./packer.ts";
import { ReceiptWatch, type ReceiptWatchOptions } from "./receipt-watch.ts";
import { receiptSpan } from "./tables/receipts.ts";

export interface SenderOptions {
  readonly outbox: Outbox;
  readonly sqs: {
    send(
      command: SendMessageBatchCommand,
      options: { abortSignal: AbortSignal },
    ): Promise<SendMessageBatchCommandOutput>;
  };
  readonly queueUrl: string;
  readonly readReceipts: ReceiptWatchOptions["readReceipts"];
  /** Rows that lie in the dead-letter queue: not sent again while they do. */
  readonly readTombstones: (incarnation: string) => Promise<readonly { readonly sequence: number }[]>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly uuid?: () => string;
  readonly tuning?: Partial<SenderTuning>;
}

export interface SenderTuning extends PackTuning {
  /** How long after a send, and again while anything is without a receipt, receipts are read: reads are paid, too. */
  readonly pollMs: number;
  /** How often while there is nothing to wait for: a table that lost its rows is found out. */
  readonly idlePollMs: number;
  /** The first time-out of a message; grows with the latency seen, and doubles with each resend. */
  readonly timeoutMs: number;
  readonly maxTimeoutMs: number;
  /** How often the receipts of everything that is still held are read again. */
  readonly recheckMs: number;
  /** Rows whose receipts are read at once: some hundred receipts, or some thousand. */
  readonly pieceRows: number;
  readonly maxBackoffMs: number;
}

export const defaultTuning: SenderTuning = {
  packMs: 2_500,
  quietMs: 10_000,
  quietRows: 6,
  hurryMs: 500,
  hurryForMs: 10_000,
  maxMessageBytes: 62_000,
  maxMessageRows: receiptSpan,
  backlogWindow: 64,
  window: 96,
  aimMs: 2_000,
  pollMs: 500,
  idlePollMs: 5_000,
  timeoutMs: 15_000,
  maxTimeoutMs: 900_000,
  recheckMs: 600_000,
  pieceRows: 50_000,
  maxBackoffMs: 2_000,
};

export interface SenderStatus {
  /** Unix ms. */
  readonly lastSentAt: number | null;
  /** One line; null while all is well. */
  readonly trouble: string | null;
  /** Messages without a receipt. */
  readonly inFlight: number;
}

export interface Sender {
  /** Works until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
  status(): SenderStatus;
}

/** Message groups of first sends; resends get groups of their own, since the first one's may be blocked. */
const groups = 4;
/** First sends go to other groups when one of theirs is out for so long: a function that crashed blocks all that its batch was of. */
const stalledMs = 3_000;
const roundMs = 100;
const answerMs = 5_000;

export function createSender(options: SenderOptions): Sender {
  return new OutboxSender(options);
}

class OutboxSender implements Sender {
  readonly #options: SenderOptions;
  readonly #tuning: SenderTuning;
  readonly #uuid: () => string;
  readonly #watch: ReceiptWatch;
  readonly #flights: Flights;
  readonly #packer: Packer;
  #nextPoll = Number.NEGATIVE_INFINITY;
  #nextBurialCheck = 0;
  #nextTrim = 0;
  #group = 0;
  /**
   * Part of the groups' names, and since when it is (monotonic ms). Never used before: groups of a process before this one
   * may be blocked still.
   */
  #generation: { readonly id: string; readonly since: number };
  #lastSentAt: number | null = null;
  #trouble: string | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#tuning = { ...defaultTuning, ...options.tuning };
    this.#uuid = options.uuid ?? randomUUID;
    this.#generation = { id: this.#uuid(), since: 0 };
    this.#flights = new Flights({ clock: options.clock, ...this.#tuning });
    this.#packer = new Packer({ ...options, flights: this.#flights, tuning: this.#tuning });
    this.#watch = new ReceiptWatch({ ...options, ...this.#tuning });
  }

  status(): SenderStatus {
    return {
      lastSentAt: this.#lastSentAt,
      trouble: this.#trouble,
      inFlight: this.#flights.count,
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#round(signal);
        if (this.#trouble !== null) {
          log.info("sending works again", { after: this.#trouble });
          this.#packer.hurry();
        }
        failures = 0;
        this.#trouble = null;
        await clock.sleep(roundMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        const trouble = describeError(error);
        if (trouble !== this.#trouble) log.warn("sending does not work; it is tried again", { error: trouble });
        this.#trouble = trouble;
        failures = Math.min(failures + 1, 20);
        await clock.sleep(random() * Math.min(this.#tuning.maxBackoffMs, 100 * 2 ** failures), signal);
      }
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now >= this.#nextPoll) await this.#poll(signal);
    const expired = this.#flights.expire();
    if (expired > 0) {
      this.#options.log.warn("no receipt in time: sent again", { messages: expired });
      this.#nextBurialCheck = now;
    }
    if (this.#flights.retries > 0 || this.#packer.buried.size > 0) await this.#readBurials(signal);
    while (!signal.aborted) {
      const messages = this.#packer.next();
      if (messages.length === 0) break;
      await this.#send(messages, signal);
      if (this.#options.clock.monotonic() >= this.#nextPoll) await this.#poll(signal);
    }
    if (now >= this.#nextTrim) {
      this.#nextTrim = now + 1_000;
      this.#options.outbox.trim();
    }
  }

  /** Looks for receipts. */
  async #poll(signal: AbortSignal): Promise<void> {
    const { outbox, clock } = this.#options;
    await this.#watch.verify(signal);
    const complete = await this.#watch.look(this.#flights.ranges, signal);
    this.#flights.land((range) => outbox.unsettled(range).length === 0);
    // What is in the air was most likely lost with what was recorded.
    if (!complete) {
      this.#flights.crash();
      this.#packer.hurry();
    }
    const { pollMs, idlePollMs } = this.#tuning;
    const pause = this.#watch.rechecking ? roundMs : this.#flights.inAir ? pollMs : idlePollMs;
    this.#nextPoll = clock.monotonic() + pause;
  }

  async #readBurials(signal: AbortSignal): Promise<void> {
    const { outbox, clock, readTombstones } = this.#options;
    if (clock.monotonic() < this.#nextBurialCheck) return;
    const held = outbox.firstHeld();
    const buried: number[] = [];
    for (const span of outbox.spans()) {
      if (span.last < held) continue;
      const answer = { ms: answerMs, message: "the table does not answer", signal };
      const tombstones = await inTime(clock, readTombstones(span.incarnation), answer);
      buried.push(...tombstones.map(({ sequence }) => sequence + span.first - 1));
    }
    for (const range of this.#packer.buried.ranges.slice()) this.#packer.buried.remove(range);
    for (const position of buried) this.#packer.buried.add({ first: position, last: position });
    this.#nextBurialCheck = clock.monotonic() + 10_000;
  }

  async #send(messages: readonly Message[], signal: AbortSignal): Promise<void> {
    const { outbox, clock } = this.#options;
    const prefix = encodeURIComponent(outbox.serverId).slice(0, 80);
    const generation = this.#freshGeneration();
    const entries = messages.map(({ body, resends }, index) => ({
      Id: String(index),
      MessageBody: body,
      MessageGroupId: resends === 0 ? `${prefix}#${generation}#${this.#group++ % groups}` : `${prefix}#${this.#uuid()}`,
      MessageDeduplicationId: this.#uuid(),
    }));
    const { refused, trouble } = await this.#offer(entries, signal);
    this.#nextPoll = Math.min(this.#nextPoll, clock.monotonic() + this.#tuning.pollMs);
    for (const [index, message] of messages.entries()) {
      if (refused.has(String(index))) {
        // Whether it arrived may be unknown: it goes out again as any resend.
        this.#flights.retryLater(message, Math.max(1, message.resends));
      } else {
        this.#lastSentAt = clock.now();
        this.#flights.sent(message, message.resends);
      }
    }
    if (trouble) throw trouble;
  }

  #freshGeneration(): string {
    const now = this.#options.clock.monotonic();
    const stalledSince = Math.max(this.#flights.oldestSentAt ?? now, this.#generation.since);
    if (now - stalledSince > stalledMs) this.#generation = { id: this.#uuid(), since: now };
    return this.#generation.id;
  }

  /** Ids of the messages that the queue did not say to have taken, and why. */
  async #offer(entries: SendMessageBatchRequestEntry[], signal: AbortSignal) {
    const { sqs, queueUrl } = this.#options;
    const timeout = AbortSignal.timeout(answerMs);
    try {
      const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }), {
        abortSignal: AbortSignal.any([signal, timeout]),
      });
      const [one] = Failed;
      const trouble = one && new Error(`the queue refuses messages: ${one.Message ?? one.Code}`);
      return { refused: new Set(Failed.map(({ Id }) => Id)), trouble };
    } catch (cause) {
      const trouble = timeout.aborted ? new Error("the queue does not answer") : new Error("sending failed", { cause });
      return { refused: new Set(entries.map(({ Id }) => Id)), trouble };
    }
  }
}
