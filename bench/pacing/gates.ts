import { createPacing } from "../../core/workload/pacing/pacing.ts";
import { createLearner } from "../../core/workload/profile/learner.ts";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { CostEstimate, WindowObservation } from "../../core/workload/types.ts";
import type { Load } from "./loads.ts";
import { tickMs } from "./sampler.ts";
import { type Pacer, windowTicks } from "./world.ts";

/** `tokens`: the gate of some 25 lines that anyone would write first, with the true mean costs. */
export type GateName = "none" | "tokens" | "evenkeel";

const latencyP95Seconds = 12;

/** What the planner goes by: what it learns from windows, as the service does; the truth; or one cost for all, to show that it matters. */
export type CostsName = "learned" | "true" | "spoilt";

/** Undefined: nothing is delayed. @param windows all so far, each with what is known of it by now */
export function createGate(
  name: GateName,
  load: Load,
  costs: CostsName,
  windows: () => readonly WindowObservation[],
): Pacer | undefined {
  switch (name) {
    case "none":
      return undefined;
    case "tokens":
      return tokenGate(load);
    case "evenkeel":
      return planner(load, costs, windows);
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

function planner({ queries }: Load, costs: CostsName, windows: () => readonly WindowObservation[]): Pacer {
  const steering = createPacing({
    clockwork: { tickMs, windowTicks, defaultDelayTicks: 3, spread: true },
    knobs: { ...defaultKnobs, latencyP95Seconds },
  });
  const mean = queries.reduce((sum, { work }) => sum + work[0], 0) / queries.length;
  const estimate = (cpu: number, cpuShare: number): CostEstimate => {
    return { mean: [cpu, 0, 0], sd: [0, 0, 0], seen: 1_000, lastSeenAt: 0, durationMs: cpu / cpuShare };
  };
  const truth = queries.map(({ id, work, cpuShare }): [string, CostEstimate] => {
    return [id, estimate(costs === "spoilt" ? mean : work[0], cpuShare)];
  });
  if (costs !== "learned") steering.setCosts(new Map(truth), estimate(mean, 1));
  const learner = createLearner();
  const isWhole = ({ active = [] }: WindowObservation) => active.every(({ durationMs }) => durationMs !== null);
  steering.resume(-1, []);
  return {
    observe(tick) {
      const second = tick.tick / windowTicks;
      // As the scheduler asks for estimates: after 10, 20 and 40 s, and each minute.
      if (
        costs === "learned" &&
        (second === 10 || second === 20 || second === 40 || (second > 0 && second % 60 === 0))
      ) {
        learner.observe(windows().slice(-100).filter(isWhole));
        const learned = learner.estimate();
        steering.setCosts(learned.costs, learned.prior);
      }
      steering.observe(tick);
      const placements = steering.plan(() => 0);
      steering.settle(placements);
      return placements;
    },
  };
}
