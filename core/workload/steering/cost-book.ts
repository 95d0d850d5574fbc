import { type CostEstimate, type Resource, resources, type TickObservation, type Triple } from "../types.ts";
import type { Stream } from "./traffic.ts";

const errorGain = 0.1;

/** What executions are believed to cost, and how far that belief can be trusted by the planner's own measure. */
export class CostBook {
  #costs: ReadonlyMap<string, CostEstimate> = new Map();
  #prior: CostEstimate | undefined;
  /** Share of recent arrivals whose query's cost is known, and the windows' recent relative error of the average. */
  #knownShare = 1;
  #error = 0;
  #windowSum: [number, number, number] = [0, 0, 0];
  #windowTicks = 0;

  set(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    const first = !this.known;
    this.#costs = costs;
    this.#prior = prior;
    // A restarted scheduler must not begin by doubting costs that were good: it would let the whole backlog go at once.
    if (first) this.#knownShare = this.#knownShareOfHistory();
    this.#error = 0;
  }

  get known(): boolean {
    return this.#costs.size > 0;
  }

  /** The believed cost of one execution; the population's for a query never seen. */
  costOf(queryId: string): Triple {
    return this.#costs.get(queryId)?.mean ?? this.#prior?.mean ?? [0, 0, 0];
  }

  /** Judges how much of the traffic has known costs. */
  judge(streams: readonly Stream[]): void {
    let [known, all] = [0, 0];
    for (const { queryId, rate } of streams) {
      all += rate;
      if (this.#isKnown(queryId)) known += rate;
    }
    this.#knownShare = all > 0 ? known / all : 1;
  }

  observe({ executed, window }: TickObservation): void {
    for (const { queryId } of executed) {
      const cost = this.costOf(queryId);
      for (const r of [0, 1, 2] as const) this.#windowSum[r] += cost[r];
    }
    this.#windowTicks++;
    if (!window) return;
    this.#compare(window.metrics, this.#windowTicks);
    this.#windowSum = [0, 0, 0];
    this.#windowTicks = 0;
  }

  /** Why planning by these costs would do harm, in words; null when it would not. */
  doubt(bandWidth: number): string | null {
    if (!this.known) return "no costs are known yet: nothing is delayed until they are";
    if (this.#knownShare < 0.5)
      return `the costs of ${Math.round((1 - this.#knownShare) * 100)}% of the executions are unknown: nothing is delayed until they are`;
    if (this.#error > 2 * bandWidth)
      return `costs look stale: windows differ from them by ${Math.round(this.#error * 100)}%; nothing is delayed until they fit`;
    return null;
  }

  #knownShareOfHistory(): number {
    let [known, all] = [0, 0];
    for (const [queryId, { seen }] of this.#costs) {
      all += seen;
      if (this.#isKnown(queryId)) known += seen;
    }
    return all === 0 ? 0 : known / all;
  }

  #isKnown(queryId: string): boolean {
    const cost = this.#costs.get(queryId);
    return cost?.mean.every((mean, r) => (cost.sd[r] ?? 0) <= 0.3 * Math.max(mean, 1)) ?? false;
  }

  #compare(metrics: Readonly<Record<Resource, { readonly average: number }>>, length: number): void {
    let worst = 0;
    for (const [r, resource] of resources.entries()) {
      const { average } = metrics[resource];
      const believed = Math.floor((this.#windowSum[r] ?? 0) / length);
      if (average + believed > 0) worst = Math.max(worst, Math.abs(average - believed) / Math.max(average, believed));
    }
    this.#error += (worst - this.#error) * errorGain;
  }
}
