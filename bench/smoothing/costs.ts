import { createEstimator } from "../../core/workload/estimator/estimator.ts";
import type { CostEstimate, Triple } from "../../core/workload/types.ts";
import type { Engine, Step } from "../../sim-server/database/engine.ts";

/** Costs as the scheduler would read them. */
export interface Costs {
  readonly costs: ReadonlyMap<string, CostEstimate>;
  readonly prior: CostEstimate;
}

/** Tells after each tick whether costs are renewed. */
export interface CostSource {
  after(step: Step): Costs | undefined;
}

const exactly = (mean: Triple): CostEstimate => ({ mean, sd: [0, 0, 0], seen: 1_000_000, lastSeenAt: 0 });

/** What the engine knows of its costs, as if it had been learned without error. */
export function truthOf(engine: Engine): Costs {
  const truth = Array.from(engine.truth(), ([id, cost]): [string, CostEstimate] => [id, exactly(cost)]);
  const meanOf = (resource: 0 | 1 | 2) => truth.reduce((sum, [, { mean }]) => sum + mean[resource], 0) / truth.length;
  return { costs: new Map(truth), prior: exactly([meanOf(0), meanOf(1), meanOf(2)]) };
}

/** The engine's truth, or what the estimator learns from closed windows, renewed each virtual minute as the Lambda would. */
export function createCostSource(kind: "learned" | "true", engine: Engine): CostSource {
  const ticksPerMinute = Math.round(60_000 / engine.parameters.tickMs);
  if (kind === "true") return { after: ({ tick }) => (tick % ticksPerMinute === 0 ? truthOf(engine) : undefined) };
  const estimator = createEstimator();
  return {
    after({ tick, window }) {
      if (window) {
        const { firstTick, ticks, cpu, io, memory } = window;
        const endedAt = (tick + 1) * engine.parameters.tickMs;
        estimator.observe([
          {
            key: String(firstTick),
            epoch: "bench",
            endedAt,
            firstTick,
            ticks,
            bounds: "exact",
            metrics: { cpu, io, memory },
          },
        ]);
      }
      return (tick + 1) % ticksPerMinute === 0 ? estimator.estimate() : undefined;
    },
  };
}
