import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { skipN } from "pure-rand/utils/skipN";
import { createEstimator } from "../../../../core/workload/estimator/estimator.ts";
import type { CostEstimate, Triple, WindowObservation } from "../../../../core/workload/types.ts";

export interface TrafficOptions {
  readonly queries: number;
  readonly windows: number;
  readonly seed: number;
  /** Mean executions a tick. */
  readonly rate?: number;
  readonly costs?: (uniform: () => number, query: number) => Triple;
  /** The cost of a query in a window, given its cost at first. */
  readonly change?: (cost: Triple, query: number, window: number) => Triple;
  /** Windows end up to a tick early or late, and are recorded as if each had its ten ticks. */
  readonly jitter?: boolean;
  /** Share of executions that are not recorded. */
  readonly unseen?: number;
}

export const integersBetween =
  (low: number, high: number) =>
  (uniform: () => number): Triple => {
    const draw = () => low + Math.floor(uniform() * (high - low + 1));
    return [draw(), draw(), draw()];
  };

/**
 * Windows of ten ticks over random queries, with metrics worked out from their definition: averages floored, extremes
 * rounded. Independent of the simulator. `truth` is the cost in the last window.
 */
export function traffic(options: TrafficOptions) {
  const { queries, windows, seed, rate = 1.5, costs = integersBetween(20, 80), jitter = false, unseen = 0 } = options;
  const { change = (cost: Triple) => cost } = options;
  const generator = xoroshiro128plus(seed);
  skipN(generator, 64);
  const uniform = () => uniformFloat64(generator);
  const first = Array.from({ length: queries }, (_, query) => costs(uniform, query));
  const costOf = (query: number, window: number) => change(first[query] ?? [0, 0, 0], query, window);
  const ticks = Array.from({ length: 10 * (windows + 1) }, () =>
    Array.from({ length: queries }, (_, query) => query).filter(() => uniform() < rate / queries),
  );
  const bounds = Array.from(
    { length: windows + 1 },
    (_, w) => 10 * w + (jitter && w > 0 ? Math.floor(uniform() * 3) - 1 : 0),
  );
  const recorded = ticks.map((tick) => tick.filter(() => uniform() >= unseen).map((query) => `q${query}`));
  const observations = Array.from({ length: windows }, (_, w): WindowObservation => {
    const ran = ticks.slice(bounds[w], bounds[w + 1]);
    const band = (r: 0 | 1 | 2) => {
      const usages = ran.map((tick) => tick.reduce((sum, query) => sum + costOf(query, w)[r], 0));
      const average = Math.floor(usages.reduce((sum, usage) => sum + usage, 0) / usages.length);
      return { average, min: Math.round(Math.min(...usages)), max: Math.round(Math.max(...usages)) };
    };
    return {
      key: `w${w}`,
      epoch: "test",
      endedAt: (w + 1) * 1000,
      firstTick: w * 10,
      ticks: recorded.slice(w * 10, w * 10 + 10),
      bounds: jitter ? "inferred" : "exact",
      metrics: { cpu: band(0), io: band(1), memory: band(2) },
    };
  });
  const truth = new Map(first.map((_, query): [string, Triple] => [`q${query}`, costOf(query, windows - 1)]));
  return { windows: observations, truth };
}

/** Mean over queries and resources of |estimate - truth| / truth; a query without estimate counts as wrong by its cost. */
export function costError(
  costs: ReadonlyMap<string, CostEstimate>,
  truth: ReadonlyMap<string, Triple>,
  of: (id: string) => boolean = () => true,
): number {
  const chosen = Array.from(truth).filter(([id]) => of(id));
  const errors = chosen.flatMap(([id, cost]) =>
    cost.map((value, r) => Math.abs((costs.get(id)?.mean[r] ?? 0) - value) / value),
  );
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

export function learn(windows: readonly WindowObservation[]) {
  const estimator = createEstimator();
  estimator.observe(windows);
  return estimator.estimate();
}
