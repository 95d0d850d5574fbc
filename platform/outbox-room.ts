/** Says, before it bites, that an outbox comes to its disk bound, and how much new work there is room for. */
import type { Clock } from "./clock.ts";
import type { Outbox } from "./outbox.ts";
import type { ServerInfo } from "./wire.ts";

/** From this share of the bound on, taken by rows that wait to be recorded, it is told. */
const tellingShare = 0.5;
/** From this share on a server that can takes in less new work, down to nothing at the bound. */
const slowingShare = 0.8;
/** The rate is taken over at least so long. */
const rateMs = 60_000;
/** The file is not looked at more often for the intake, which is asked for in each tick. */
const intakeMs = 1_000;

interface Sample {
  /** Monotonic ms. */
  readonly at: number;
  readonly waitingBytes: number;
}

/** Asked now and then (as `GET /server` is), it learns how fast the outbox fills. */
export class RoomWatch {
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #kind: ServerInfo["kind"];
  #before: Sample;
  #newer: Sample;
  #latest: Sample;

  constructor(outbox: Outbox, clock: Clock, kind: ServerInfo["kind"]) {
    this.#outbox = outbox;
    this.#clock = clock;
    this.#kind = kind;
    this.#before = this.#sample();
    this.#newer = this.#before;
    this.#latest = this.#before;
  }

  /** The share of new work to take in: all of it up to 80% of the bound, then linearly less, nothing at the bound. */
  intake(): number {
    if (this.#clock.monotonic() - this.#latest.at >= intakeMs) this.#latest = this.#sample();
    return intakeAt(this.#latest.waitingBytes / this.#outbox.diskBoundBytes);
  }

  /** One line; null while there is room. */
  warning(): string | null {
    const now = this.#sample();
    this.#latest = now;
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
      return `the outbox is ${percent}% full of rows that wait to be recorded (${megabytes(now.waitingBytes)} of ${megabytes(bound)} MB)${left}; ${this.#consequence(share)}`;
    }
    if (bytes < bound) return null;
    const since = this.#outbox.heldSince();
    const hours = since === undefined ? 0 : (this.#clock.now() - since) / 3_600_000;
    return `the outbox is at its bound of ${megabytes(bound)} MB: a table that is lost now is filled again from the last ${hours.toFixed(1)} h only`;
  }

  #consequence(share: number): string {
    if (this.#kind === "tap") return "when it is full nothing more is observed, and a gap is told";
    const intake = intakeAt(share);
    if (intake === 1)
      return `from ${100 * slowingShare}% on the server takes in less new work, when it is full nothing more`;
    return `the server takes in ${Math.round(100 * intake)}% of the new work only, when it is full nothing more`;
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

function intakeAt(share: number): number {
  return Math.min(1, Math.max(0, (1 - share) / (1 - slowingShare)));
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
