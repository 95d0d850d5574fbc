import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { CostEstimate, Knobs } from "../../core/workload/types.ts";
import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { KnobsChange } from "../../platform/scheduler-status.ts";
import type { Costs } from "../../platform/tables/costs.ts";
import { applyChange, parseKnobs } from "./knobs.ts";
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
  /**
   * Stores what a person turned, and turns it.
   * @throws KnobsRefused when no plan can follow the knobs that this would give
   */
  changeKnobs(change: KnobsChange): Promise<Knobs>;
  /** Undefined before the first read; version 0 while there are no costs. */
  readonly costs: Costs | undefined;
  readonly trouble: readonly string[];
}

/** Knobs that cannot be followed; the message says which and why, in one line. */
export class KnobsRefused extends Error {
  override readonly name = "KnobsRefused";
}

const refreshMs = 2_000;
/** When to ask for an estimate, from the start on, while it is wanted; the minute's rule does the rest. */
const requestAfterMs = [10_000, 20_000, 40_000];

export function createInputs({ store, clock, log, onCosts, onKnobs, wantsEstimate }: InputsOptions): Inputs {
  let knobs = defaultKnobs;
  let knobsText: string | undefined;
  let costs: Costs | undefined;
  const troubles = new Map<string, string>();
  /** Changes come one after another: each builds on what the one before it stored. */
  let lastChange: Promise<unknown> = Promise.resolve();
  let changes = 0;

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
    const before = changes;
    const value = await store.readKnobs();
    // What was read before a change is not what is stored after it.
    if (changes === before) turn(value);
  }

  function turn(value: unknown): void {
    const text = JSON.stringify(value);
    if (text === knobsText) return;
    const parsed = parseKnobs(value);
    if ("wrong" in parsed) throw new Error(`the last good ones stay: ${parsed.wrong}`);
    onKnobs(parsed.knobs);
    knobs = parsed.knobs;
    knobsText = text;
  }

  async function changeKnobs(change: KnobsChange): Promise<Knobs> {
    const stored = parseKnobs(await store.readKnobs());
    const next = applyChange("wrong" in stored ? knobs : stored.chosen, change);
    const parsed = parseKnobs(next);
    if ("wrong" in parsed) throw new KnobsRefused(parsed.wrong);
    changes++;
    await store.writeKnobs(next);
    changes++;
    turn(next);
    troubles.delete("knobs");
    log.info("the knobs were turned", { change });
    return knobs;
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
    changeKnobs(change) {
      const changed = lastChange.then(() => changeKnobs(change));
      lastChange = changed.catch(() => {});
      return changed;
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
