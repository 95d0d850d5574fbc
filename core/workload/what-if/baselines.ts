import type { Placement, TickObservation, Waiting } from "../types.ts";

/** What the bench compares: told what each tick did, says where executions shall run. */
export interface Policy {
  observe(tick: TickObservation): void;
  plan(): readonly Placement[];
}

/** No scheduling at all: everything runs after its default delay. */
export function createNone(): Policy {
  return { observe: () => {}, plan: () => [] };
}

/**
 * The same number per tick, in order of arrival: what waits when a window begins is spread evenly over its ticks, and
 * what comes meanwhile waits for the next one.
 */
export function createFifo(windowTicks: number, defaultDelayTicks: number): Policy {
  let waiting: Waiting[] = [];
  let tick = -1;
  let perTick = 0;
  return {
    observe(observation) {
      const ran = new Set(observation.executed.map(({ id }) => id));
      waiting = waiting.filter(({ id }) => !ran.has(id)).concat(observation.arrived);
      tick = observation.tick;
    },
    plan() {
      const next = tick + 1;
      if (next % windowTicks === 0) perTick = Math.max(1, Math.round(waiting.length / windowTicks));
      const ready = waiting.filter(({ arrivedTick }) => arrivedTick + defaultDelayTicks <= next);
      const chosen = new Set(ready.slice(0, perTick));
      const beyond = next + 1_000_000;
      return waiting.map((entry) => ({ id: entry.id, tick: chosen.has(entry) ? next : beyond }));
    },
  };
}
