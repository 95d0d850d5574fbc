/** Says, before it bites, that an outbox comes to its disk bound. */
import type { Clock } from "./clock.ts";
import type { Outbox } from "./outbox.ts";

/** From this share of the bound on, taken by rows that wait to be recorded, it is told. */
const tellingShare = 0.5;
/** The rate is taken over at least so long. */
const rateMs = 60_000;

interface Sample {
  /** Monotonic ms. */
  readonly at: number;
  readonly waitingBytes: number;
}

/** Asked now and then (as `GET /server` is), it learns how fast the outbox fills. */
export class RoomWatch {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  #before: Sample;
  #newer: Sample;

  constructor(outbox: Outbox, clock: Clock) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#before = this.#sample();
    this.#newer = this.#before;
  }

  /** One line; null while there is room. */
  warning(): string | null {
    const now = this.#sample();
    if (now.at - this.#newer.at >= rateMs) {
      this.#before = this.#newer;
      this.#newer = now;
    }
    const { bytes } = this.#outbox.state();
    const bound = this.#outbox.diskBoundBytes;
    const share = now.waitingBytes / bound;
    if (share >= tellingShare) {
      const percent = Math.round(share * 100);
      const left = this.#timeLeft(now, bound);
      return `the outbox is ${percent}% full of rows that wait to be recorded (${megabytes(now.waitingBytes)} of ${megabytes(bound)} MB)${left}; when it is full the server takes in nothing more`;
    }
    if (bytes < bound) return null;
    const since = this.#outbox.heldSince();
    const hours = since === undefined ? 0 : (this.#clock.now() - since) / 3_600_000;
    return `the outbox is at its bound of ${megabytes(bound)} MB: a table that is lost now is filled again from the last ${hours.toFixed(1)} h only`;
  }

  #timeLeft(now: Sample, bound: number): string {
    const ms = now.at - this.#before.at;
    const rate = ms < rateMs ? 0 : (now.waitingBytes - this.#before.waitingBytes) / ms;
    if (rate <= 0) return "";
    return `, at this rate all of it in ${((bound - now.waitingBytes) / rate / 3_600_000).toFixed(1)} h`;
  }

  /** Rows are taken for equally large. */
  #sample(): Sample {
    const { bytes, waiting } = this.#outbox.state();
    const held = this.#outbox.lastPosition - this.#outbox.firstHeld() + 1;
    return { at: this.#clock.monotonic(), waitingBytes: held === 0 ? 0 : (bytes * waiting) / Math.max(held, waiting) };
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
