import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { CostEstimate, Knobs } from "../../core/workload/types.ts";
import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { Costs } from "../../platform/tables/costs.ts";
import { parseKnobs } from "./knobs.ts";
import type { SchedulerStore } from "./store.ts";

export interface InputsOptions {
  readonly store: SchedulerStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly onCosts: (costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate) => void;
  /** Throws when no plan can follow these knobs. */
  readonly onKnobs: (knobs: Knobs) => void;
  /** Whether an estimate is wanted before the minute's. */
  readonly wantsEstimate: () => boolean;
}

/** Costs and knobs as they are in the tables, looked at every two seconds. */
export interface Inputs {
  /** Reads now. */
  refresh(): Promise<void>;
  /** Reads every two seconds from then on. */
  run(signal: AbortSignal): Promise<void>;
  readonly knobs: Knobs;
  /** Undefined before the first read; version 0 while there are no costs. */
  readonly costs: Costs | undefined;
  readonly trouble: readonly string[];
}

const refreshMs = 2_000;
/** When to ask for an estimate, from the start on, while it is wanted; the minute's rule does the rest. */
const requestAfterMs = [10_000, 20_000, 40_000];

export function createInputs({ store, clock, log, onCosts, onKnobs, wantsEstimate }: InputsOptions): Inputs {
  let knobs = defaultKnobs;
  let knobsText: string | undefined;
  let costs: Costs | undefined;
  const troubles = new Map<string, string>();

  /** Runs one reading; a failure is said once and shown until it works again. */
  async function attempt(what: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
      troubles.delete(what);
    } catch (error) {
      const trouble = `${what}: ${describeError(error)}`;
      if (troubles.get(what) !== trouble) log.warn(trouble);
      troubles.set(what, trouble);
    }
  }

  async function readKnobs(): Promise<void> {
    const value = await store.readKnobs();
    const text = JSON.stringify(value);
    if (text === knobsText) return;
    const parsed = parseKnobs(value);
    if ("wrong" in parsed) throw new Error(`the last good ones stay: ${parsed.wrong}`);
    onKnobs(parsed.knobs);
    knobs = parsed.knobs;
    knobsText = text;
  }

  async function readCosts(): Promise<void> {
    const version = await store.readCostsVersion();
    if (costs && version === costs.version) return;
    const read = await store.readCosts();
    if (read.unreadable.length > 0) log.warn("some costs cannot be read", { items: read.unreadable.slice(0, 3) });
    costs = read;
    if (read.prior && read.version > 0) onCosts(read.costs, read.prior);
  }

  const refresh = async () => {
    await Promise.all([attempt("knobs", readKnobs), attempt("costs", readCosts)]);
  };

  return {
    refresh,
    async run(signal) {
      const startedAt = clock.monotonic();
      let requests = 0;
      for (;;) {
        await clock.sleep(refreshMs, signal);
        if (signal.aborted) return;
        await refresh();
        const dueAt = requestAfterMs[requests];
        if (dueAt !== undefined && clock.monotonic() - startedAt >= dueAt) {
          requests++;
          if (wantsEstimate()) await attempt("asking for an estimate", () => store.requestEstimate());
        }
      }
    },
    get knobs() {
      return knobs;
    },
    get costs() {
      return costs;
    },
    get trouble() {
      return [...troubles.values()];
    },
  };
}
