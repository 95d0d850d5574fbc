/** How fast costs that changed in mid-run are known again. */
import type { CostEstimate } from "../../core/workload/types.ts";
import type { Cost, Engine, Step } from "../../sim-server/database/engine.ts";

interface Changed {
  readonly cost: Cost;
  executions: number;
  /** Virtual seconds at the 20th execution since the change. */
  seenAt: number | undefined;
  /** Virtual seconds since when its error has been below 2%. */
  knownAt: number | undefined;
}

export interface Relearning {
  /** Queries whose cost changed and that ran 20 times since, at least 3 minutes before the end. */
  readonly changed: number;
  /** How many of them were known to 2% within 3 minutes of their 20th execution, and stayed so. */
  readonly relearned: number;
}

const executions = 20;
const withinSeconds = 180;

export function watchRelearning(engine: Engine) {
  const before = engine.truth();
  const changed = new Map<string, Changed>();
  const applied = new Set(engine.parameters.drift.map(({ atTick }) => atTick));
  return {
    after({ tick, executed }: Step): void {
      if (applied.has(tick))
        for (const [id, cost] of engine.truth())
          if (before.get(id)?.join() !== cost.join())
            changed.set(id, { cost, executions: 0, seenAt: undefined, knownAt: undefined });
      for (const { queryId } of executed) {
        const one = changed.get(queryId);
        if (one && ++one.executions === executions) one.seenAt = (tick * engine.parameters.tickMs) / 1000;
      }
    },
    estimated(second: number, costs: ReadonlyMap<string, CostEstimate>): void {
      for (const [id, one] of changed) {
        const mean = costs.get(id)?.mean ?? [0, 0, 0];
        const error = one.cost.reduce((sum, c, r) => sum + Math.abs((mean[r] ?? 0) - c) / Math.max(c, 1) / 3, 0);
        if (error > 0.02) one.knownAt = undefined;
        else one.knownAt ??= second;
      }
    },
    result(endSecond: number): Relearning {
      const due = [...changed.values()].filter(
        ({ seenAt }) => seenAt !== undefined && seenAt + withinSeconds <= endSecond,
      );
      const relearned = due.filter(({ seenAt = 0, knownAt = Infinity }) => knownAt <= seenAt + withinSeconds);
      return { changed: due.length, relearned: relearned.length };
    },
  };
}
