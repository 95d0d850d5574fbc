import type { Clockwork } from "../types.ts";
import { Background } from "./background.ts";
import { Running } from "./running.ts";

/** Seconds that measured ticks are kept for. */
const kept = 3;

/** What ticks and seconds use, in CPU ms: as measured, else expected of what runs or is about to and of the background. */
export class Seconds {
  readonly running: Running;
  readonly #tickMs: number;
  readonly #windowTicks: number;
  #background = new Background();
  /** CPU ms of the latest ticks: as measured, or else as what ran explains. */
  readonly #used = new Map<number, number>();
  #tick = -1;

  constructor({ tickMs, windowTicks }: Clockwork) {
    this.#tickMs = tickMs;
    this.#windowTicks = windowTicks;
    this.running = new Running(tickMs);
  }

  /** @param cpu percent of the tick, where it was measured */
  observe(tick: number, cpu: number | undefined): void {
    this.#tick = tick;
    const explained = this.running.explain(tick);
    const used = cpu === undefined ? explained + this.#background.perTick : (cpu * this.#tickMs) / 100;
    if (cpu !== undefined) this.#background.observe(used, explained);
    this.#used.set(tick, used);
    this.#used.delete(tick - kept * this.#windowTicks);
  }

  /** Forgets what ran; the background stays. `tick` is the last that ran. */
  clear(tick: number): void {
    this.#tick = tick;
    this.running.clear();
    this.#used.clear();
  }

  forgetBackground(): void {
    this.#background = new Background();
  }

  get backgroundPerTick(): number {
    return this.#background.perTick;
  }

  /** Of a second, to set a level by. */
  get lastingBackground(): number {
    return this.#background.lasting * this.#windowTicks;
  }

  /** Of each of a second's ticks. */
  ticksFrom(first: number): number[] {
    return Array.from({ length: this.#windowTicks }, (_, at) => this.#usageOf(first + at));
  }

  from(first: number): number {
    return this.ticksFrom(first).reduce((sum, used) => sum + used, 0);
  }

  #usageOf(tick: number): number {
    return this.#used.get(tick) ?? this.running.expected(tick, this.#tick + 1) + this.#background.perTick;
  }
}
