import type { TickObservation } from "../../core/workload/types.ts";
import type { Step } from "../../sim-server/database/engine.ts";

/** A tick of the simulated database as its stream tells it. */
export function observationOf({ tick, executed, arrived, window }: Step): TickObservation {
  if (!window) return { tick, executed, arrived };
  const { firstTick, cpu, io, memory } = window;
  return { tick, executed, arrived, window: { firstTick, bounds: "exact", metrics: { cpu, io, memory } } };
}
