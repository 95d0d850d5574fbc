/** The planner in the loop: what it delays decides how well costs are seen. */
import type { Estimates } from "../../core/workload/estimator/estimator.ts";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import { createSteering } from "../../core/workload/steering/steering.ts";
import type { CostEstimate, Triple } from "../../core/workload/types.ts";
import type { Engine, Step } from "../../sim-server/database/engine.ts";
import { createMeasures } from "../smoothing/measures.ts";

/** A standard deviation that the planner takes for sure. */
const sure = 0.29;

const surely = (estimate: CostEstimate): CostEstimate => {
  const [cpu, io, memory] = estimate.sd;
  const sd: Triple = [Math.min(cpu, sure), Math.min(io, sure), Math.min(memory, sure)];
  return { ...estimate, sd };
};

/** @param purpose whether the planner is told how unsure costs are, and so shows the unsure ones */
export function createSteered(engine: Engine, purpose: boolean) {
  const { tickMs, windowTicks, defaultDelayTicks, seed } = engine.parameters;
  const steering = createSteering({
    clockwork: { tickMs, windowTicks, defaultDelayTicks },
    knobs: defaultKnobs,
    api: "place",
    seed,
  });
  steering.resume(-1, []);
  // Nothing is steered before the first minute's estimate.
  const measures = createMeasures(engine, 60_000 / tickMs);
  return {
    after(step: Step): void {
      const { tick, executed, arrived, window } = step;
      measures.note(step);
      const metrics = window && { cpu: window.cpu, io: window.io, memory: window.memory };
      steering.observe({
        tick,
        executed,
        arrived,
        ...(window && metrics && { window: { firstTick: window.firstTick, bounds: "exact", metrics } }),
      });
      for (const { id, tick: at } of steering.plan(() => 0)) engine.place(id, at);
    },
    estimated({ costs, prior }: Estimates): void {
      const told = purpose ? costs : new Map(Array.from(costs, ([id, cost]) => [id, surely(cost)]));
      steering.setCosts(told, prior);
    },
    /** Share of windows in band since the first minute. */
    inBand: () => measures.result().inBand,
  };
}
