import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../platform/clock.ts";

interface Sleeper {
  readonly wakeAt: number;
  wake(): void;
}

/** A clock that moves only when told. Wall and monotonic time move together; `setWall` makes the wall clock jump. */
export class FakeClock implements Clock {
  #monotonic = 0;
  #wallOffset: number;
  #sleepers: Sleeper[] = [];

  constructor(startMs = Date.UTC(2026, 10, 21, 9)) {
    this.#wallOffset = startMs;
  }

  now(): number {
    return Math.floor(this.#wallOffset + this.#monotonic);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  setWall(ms: number): void {
    this.#wallOffset = ms - this.#monotonic;
  }

  /** The process stands still: time passes, and nobody is woken in it. */
  stall(ms: number): void {
    this.#monotonic += ms;
  }

  /** How many wait for time to pass. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        resolve();
      };
      const sleeper: Sleeper = { wakeAt: this.#monotonic + Math.max(0, ms), wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", wake);
    });
  }

  /** Moves time on, waking sleepers in order; each runs until it waits again before the next one wakes. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers.reduce<Sleeper | undefined>(
        (first, other) => (first && first.wakeAt <= other.wakeAt ? first : other),
        undefined,
      );
      if (!next || next.wakeAt > end) break;
      this.#monotonic = Math.max(this.#monotonic, next.wakeAt);
      next.wake();
      await settle();
    }
    this.#monotonic = end;
    await settle();
  }
}

/** Lets every promise that can go on without time or I/O go on. */
async function settle(): Promise<void> {
  await setImmediate();
}
