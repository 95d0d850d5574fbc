import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { skipN } from "pure-rand/utils/skipN";
import type { Triple, WindowObservation } from "../../../../core/workload/types.ts";

export interface TrafficOptions {
  readonly queries: number;
  readonly windows: number;
  readonly seed: number;
  /** Mean executions a tick. */
  readonly rate?: number;
  readonly costs?: (uniform: () => number, query: number) => Triple;
}

/** Windows of ten ticks over random queries, with metrics worked out from the definition; independent of the simulator. */
export function traffic({ queries, windows, seed, rate = 1.5, costs }: TrafficOptions) {
  const generator = xoroshiro128plus(seed);
  skipN(generator, 64);
  const uniform = () => uniformFloat64(generator);
  const integer = (low: number, high: number) => low + Math.floor(uniform() * (high - low + 1));
  const drawCost = costs ?? ((): Triple => [integer(20, 80), integer(20, 80), integer(20, 80)]);
  const truth = new Map(Array.from({ length: queries }, (_, q): [string, Triple] => [`q${q}`, drawCost(uniform, q)]));
  const observations = Array.from({ length: windows }, (_, w): WindowObservation => {
    const ticks = Array.from({ length: 10 }, () =>
      Array.from({ length: queries }, (_, q) => `q${q}`).filter(() => uniform() < rate / queries),
    );
    if (ticks.every((tick) => tick.length === 0)) ticks[0]?.push("q0");
    const band = (r: 0 | 1 | 2) => {
      const usages = ticks.map((tick) => tick.reduce((sum, id) => sum + (truth.get(id)?.[r] ?? 0), 0));
      const average = Math.floor(usages.reduce((sum, usage) => sum + usage, 0) / usages.length);
      return { average, min: Math.min(...usages), max: Math.max(...usages) };
    };
    return {
      key: `w${w}`,
      epoch: "test",
      endedAt: (w + 1) * 1000,
      firstTick: w * 10,
      ticks,
      bounds: "exact",
      metrics: { cpu: band(0), io: band(1), memory: band(2) },
    };
  });
  return { windows: observations, truth };
}
