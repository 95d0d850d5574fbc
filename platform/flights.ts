import type { Clock } from "./clock.ts";
import type { Range } from "./range-set.ts";

/** Positions `first..last`, sent and without a receipt yet. */
interface Flight extends Range {
  readonly resends: number;
  /** Monotonic ms. */
  readonly sentAt: number;
  readonly expiresAt: number;
}

/** To be sent again, `resends` times already. */
export interface Retry extends Range {
  readonly resends: number;
}

export interface FlightsOptions {
  readonly clock: Clock;
  /** The least time-out of a message. */
  readonly timeoutMs: number;
  readonly maxTimeoutMs: number;
}

/** A message that landed although it was sent this much later says that an earlier one is lost or held up. */
const overtakingMs = 5_000;

/** Messages that were sent and have no receipt yet, and those that are to be sent again. */
export class Flights {
  readonly #options: FlightsOptions;
  #flights: Flight[] = [];
  #retries: Retry[] = [];
  #latency: { readonly mean: number; readonly deviation: number } | undefined;
  /** Monotonic ms: when a message landed last, and when the newest of those that landed was sent. */
  #landedAt = 0;
  #landedSentAt = 0;

  constructor(options: FlightsOptions) {
    this.#options = options;
  }

  get ranges(): readonly Range[] {
    return [...this.#flights, ...this.#retries];
  }

  get count(): number {
    return this.#flights.length + this.#retries.length;
  }

  /** How long messages have been under way of late, ms; undefined before the first landed. */
  get latencyMs(): number | undefined {
    return this.#latency?.mean;
  }

  /** Whether anything was sent that may land. */
  get inAir(): boolean {
    return this.#flights.length > 0;
  }

  /** Monotonic ms of the oldest first send without a receipt. */
  get oldestSentAt(): number | undefined {
    return this.#flights.find(({ resends }) => resends === 0)?.sentAt;
  }

  get retries(): number {
    return this.#retries.length;
  }

  sent({ first, last }: Range, resends: number): void {
    const sentAt = this.#options.clock.monotonic();
    this.#flights.push({ first, last, resends, sentAt, expiresAt: sentAt + this.#timeout(resends) });
  }

  /** The next to be sent again. */
  takeRetry(): Retry | undefined {
    return this.#retries.shift();
  }

  retryNext(retry: Retry): void {
    this.#retries.unshift(retry);
  }

  retryLater({ first, last }: Range, resends: number): void {
    this.#retries.push({ first, last, resends });
  }

  /** Everything in the air is lost. */
  crash(): void {
    this.#retries.push(...this.#flights);
    this.#flights = [];
  }

  /** Takes down what has its receipts; learns how long that took. */
  land(hasReceipts: (range: Range) => boolean): void {
    const now = this.#options.clock.monotonic();
    for (const flight of this.#flights.filter(hasReceipts)) {
      if (flight.resends === 0) this.#learnLatency(now - flight.sentAt);
      this.#landedAt = now;
      this.#landedSentAt = Math.max(this.#landedSentAt, flight.sentAt);
    }
    this.#flights = this.#flights.filter((flight) => !hasReceipts(flight));
    this.#retries = this.#retries.filter((retry) => !hasReceipts(retry));
  }

  /**
   * A message is taken for lost when it has been out for long, and either later ones were overtaking it or nothing landed
   * for as long. While an overloaded recorder works off its queue in order, nothing is sent twice to make it worse.
   * Returns how many are lost; they are to be sent again.
   */
  expire(): number {
    const now = this.#options.clock.monotonic();
    const lost = ({ sentAt, expiresAt }: Flight) =>
      expiresAt <= now && (this.#landedSentAt > sentAt + overtakingMs || this.#landedAt + (expiresAt - sentAt) <= now);
    const expired = this.#flights.filter(lost);
    this.#flights = this.#flights.filter((flight) => !lost(flight));
    for (const flight of expired) this.retryLater(flight, flight.resends + 1);
    return expired.length;
  }

  /** RFC 6298, section 2. Resends are not measured: it is unknown which of the messages was recorded (Karn). */
  #learnLatency(ms: number): void {
    const { mean, deviation } = this.#latency ?? { mean: ms, deviation: ms / 2 };
    this.#latency = {
      mean: mean + (ms - mean) / 8,
      deviation: deviation + (Math.abs(ms - mean) - deviation) / 4,
    };
  }

  #timeout(resends: number): number {
    const { timeoutMs, maxTimeoutMs } = this.#options;
    const usual = this.#latency ? this.#latency.mean + 4 * this.#latency.deviation : 0;
    return Math.min(maxTimeoutMs, Math.max(timeoutMs, usual) * 2 ** Math.min(resends, 20));
  }
}
