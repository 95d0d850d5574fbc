import type { Clock } from "../../../platform/clock.ts";
import { describeError, type Log } from "../../../platform/log.ts";
import { type Part, type PartName, partNames } from "../contract/live.ts";

/** Which parts of the loop answer, and since when. */
export class Parts {
  readonly #parts = new Map<PartName, Part>();
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(clock: Clock, log: Log, absent: readonly PartName[]) {
    this.#clock = clock;
    this.#log = log;
    const since = clock.now();
    for (const name of partNames) {
      this.#parts.set(name, { name, state: absent.includes(name) ? "absent" : "asking", since, problem: null });
    }
  }

  list(): Part[] {
    return [...this.#parts.values()];
  }

  answered(name: PartName): void {
    this.#set(name, "answers", null);
  }

  failed(name: PartName, error: unknown): void {
    this.#set(name, "away", describeError(error).slice(0, 300));
  }

  #set(name: PartName, state: Part["state"], problem: string | null): void {
    const before = this.#parts.get(name);
    if (before?.state !== state) this.#log.info(`${name}: ${state}`, problem === null ? {} : { problem });
    const since = before?.state === state ? before.since : this.#clock.now();
    this.#parts.set(name, { name, state, since, problem });
  }
}

/** Calls `ask` again and again until `signal` aborts; a failure is told and changes nothing else. */
export async function poll(
  clock: Clock,
  signal: AbortSignal,
  everyMs: number | (() => number),
  ask: () => Promise<void>,
  failed: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await ask();
    } catch (error) {
      failed(error);
    }
    await clock.sleep(typeof everyMs === "number" ? everyMs : everyMs(), signal);
  }
}
