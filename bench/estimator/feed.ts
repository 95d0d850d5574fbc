/** What an estimator is told of a run: recorded windows of a stamped server, or a tap's guesses about a plain one. */
import type { WindowObservation } from "../../core/workload/types.ts";
import type { Step } from "../../sim-server/database/engine.ts";
import type { Parameters } from "../../sim-server/database/parameters.ts";
import { createRandom } from "../../sim-server/database/random.ts";

export interface Feed {
  /** Executions of each query so far, those unseen included. */
  readonly executions: ReadonlyMap<string, number>;
  /** The windows that become known with this tick. */
  after(step: Step): WindowObservation[];
}

/**
 * A plain server's window n is taken as ticks n * windowTicks to (n + 1) * windowTicks - 1 whatever its true bounds,
 * and is told when the next tick is over, as a tap cannot know before which ticks belong to it.
 */
export function createFeed(parameters: Parameters, unseenShare: number): Feed {
  const { tickMs, windowTicks, stamped, seed } = parameters;
  const random = createRandom((seed ^ 0x5eed) >>> 0);
  const executions = new Map<string, number>();
  const ticks: string[][] = [];
  const closed: WindowObservation["metrics"][] = [];
  let told = 0;
  const observation = (
    firstTick: number,
    length: number,
    metrics: WindowObservation["metrics"],
  ): WindowObservation => ({
    key: `w${firstTick}`,
    epoch: "bench",
    endedAt: (firstTick + length) * tickMs,
    firstTick,
    ticks: ticks.slice(firstTick, firstTick + length),
    bounds: stamped ? "exact" : "inferred",
    metrics,
  });
  return {
    executions,
    after({ tick, executed, window }) {
      for (const { queryId } of executed) executions.set(queryId, (executions.get(queryId) ?? 0) + 1);
      ticks.push(
        executed.map(({ queryId }) => queryId).filter(() => unseenShare === 0 || random.uniform() >= unseenShare),
      );
      const metrics = window && { cpu: window.cpu, io: window.io, memory: window.memory };
      if (stamped) return window && metrics ? [observation(window.firstTick, window.ticks.length, metrics)] : [];
      if (metrics) closed.push(metrics);
      const next = closed[told];
      if (!next || tick + 1 < (told + 1) * windowTicks) return [];
      return [observation(told++ * windowTicks, windowTicks, next)];
    },
  };
}
