import { createPacing } from "../../core/workload/pacing/pacing.ts";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { CostEstimate } from "../../core/workload/types.ts";
import type { Load } from "./loads.ts";
import { type Pacer, tickMs, windowTicks } from "./world.ts";

/** `tokens`: the gate of some 25 lines that anyone would write first, with the true mean costs. */
export type GateName = "none" | "tokens" | "evenkeel";

const latencyP95Seconds = 12;

/** Undefined: nothing is delayed. */
export function createGate(name: GateName, load: Load, spoil: boolean): Pacer | undefined {
  switch (name) {
    case "none":
      return undefined;
    case "tokens":
      return tokenGate(load);
    case "evenkeel":
      return planner(load, spoil);
  }
}

/** First in, first out, as long as tokens last: they come at the bursts' mean rate, and each start takes its mean cost. */
function tokenGate({ queries, burstEveryMs }: Load): Pacer {
  const costs = new Map(queries.map(({ id, work }) => [id, work[0]]));
  const perTick = (queries.reduce((sum, { work, perBurst }) => sum + work[0] * perBurst, 0) / burstEveryMs) * tickMs;
  const waiting: { id: string; cost: number }[] = [];
  let tokens = 0;
  return {
    observe({ tick, arrived }) {
      for (const { id, queryId } of arrived) waiting.push({ id, cost: costs.get(queryId) ?? 0 });
      tokens = waiting.length > 0 ? tokens + perTick : Math.min(tokens + perTick, perTick);
      const starts = new Set<string>();
      while (tokens > 0 && waiting.length > 0) {
        const { id, cost } = waiting.shift() ?? { id: "", cost: 0 };
        tokens -= cost;
        starts.add(id);
      }
      const held = arrived.filter(({ id }) => !starts.has(id)).map(({ id }) => ({ id, tick: tick + 1_000 }));
      return [...held, ...Array.from(starts, (id) => ({ id, tick: tick + 1 }))];
    },
  };
}

function planner({ queries }: Load, spoil: boolean): Pacer {
  const mean = queries.reduce((sum, { work }) => sum + work[0], 0) / queries.length;
  const estimate = (cpu: number, cpuShare: number): CostEstimate => {
    return { mean: [cpu, 0, 0], sd: [0, 0, 0], seen: 1_000, lastSeenAt: 0, durationMs: cpu / cpuShare };
  };
  const costs = new Map(queries.map(({ id, work, cpuShare }) => [id, estimate(spoil ? mean : work[0], cpuShare)]));
  const steering = createPacing({
    clockwork: { tickMs, windowTicks, defaultDelayTicks: 3, spread: true },
    knobs: { ...defaultKnobs, latencyP95Seconds },
  });
  steering.setCosts(costs, estimate(mean, 1));
  steering.resume(-1, []);
  return {
    observe(tick) {
      steering.observe(tick);
      const placements = steering.plan(() => 0);
      steering.settle(placements);
      return placements;
    },
  };
}
