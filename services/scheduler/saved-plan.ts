/** What the next scheduler of a server needs to know of this one's plan, besides the server's own queue. */
import { z } from "zod";
import type { Clock } from "../../platform/clock.ts";
import type { Lease } from "../../platform/lease.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { SteeringLoop } from "./steering-loop.ts";
import type { SchedulerStore } from "./store.ts";

const savedPlan = z.object({ format: z.literal(1), steering: z.unknown() });
/** It holds what the latest arrivals tell, some kilobytes, and that changes with every tick: each save is paid for. */
const saveMs = 60_000;

export class SavedPlan {
  readonly #store: SchedulerStore;
  readonly #lease: Lease;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Why it could not be saved last; null when it could. */
  trouble: string | null = null;

  constructor(of: { store: SchedulerStore; lease: Lease; clock: Clock; log: Log }) {
    this.#store = of.store;
    this.#lease = of.lease;
    this.#clock = of.clock;
    this.#log = of.log;
  }

  async read(): Promise<unknown> {
    try {
      const plan = await this.#store.readPlan();
      return plan === undefined ? undefined : savedPlan.parse(plan).steering;
    } catch (error) {
      this.#log.warn("the saved plan cannot be read; starting without it", { error });
      return undefined;
    }
  }

  /** Saves at most once a minute and only what changed, until `signal` aborts, and then once more. */
  async keep(signal: AbortSignal, of: SteeringLoop, lost: (why: string) => void): Promise<void> {
    let last = "";
    for (;;) {
      await this.#clock.sleep(saveMs, signal);
      const value = { format: 1, steering: of.steering?.save() };
      const text = JSON.stringify(value);
      if (value.steering !== undefined && text !== last && this.#lease.remainingMs() > 0) {
        try {
          const written = await this.#store.writePlan(value, this.#lease.token);
          if (written === "stale") lost("a later scheduler has saved its plan");
          last = text;
          this.trouble = null;
        } catch (error) {
          this.trouble = `saving the plan: ${describeError(error)}`;
        }
      }
      if (signal.aborted) return;
    }
  }
}
