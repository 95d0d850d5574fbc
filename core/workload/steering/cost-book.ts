import { type CostEstimate, type Resource, resources, type TickObservation, type Triple } from "../types.ts";
import { inBand } from "./band.ts";
import type { Stream } from "./traffic.ts";

const errorGain = 0.1;
/** The relative error taken for a query without an estimate, where the population's is smaller. */
const unknownError = 0.25;
/** The error of a mean tick that planning bears, as a share of the band's width; docs/planning.md has the figures. */
const bearable = 0.2;

/** What executions are believed to cost, and how far that belief can be trusted by the planner's own measure. */
export class CostBook {
  #costs: ReadonlyMap<string, CostEstimate> = new Map();
  #prior: CostEstimate | undefined;
  /** Of recent arrivals: the share without an estimate, the mean relative standard deviation, and how many come per tick. */
  #unknownShare = 0;
  #uncertainty = 0;
  #rate = 1;
  /** The windows' recent relative error of the average. */
  #error = 0;
  #window: Triple[] = [];

  set(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    const first = !this.known;
    this.#costs = costs;
    this.#prior = prior;
    // A restarted scheduler must not begin by doubting costs that were good: it would let the whole backlog go at once.
    if (first) this.#judge(Array.from(costs, ([queryId, { seen }]) => ({ queryId, rate: seen })));
    this.#error = 0;
  }

  get known(): boolean {
    return this.#costs.size > 0;
  }

  /** The believed cost of one execution; the population's for a query never seen. */
  costOf(queryId: string): Triple {
    return this.#costs.get(queryId)?.mean ?? this.#prior?.mean ?? [0, 0, 0];
  }

  /** Judges how well the costs of the traffic are known. */
  judge(streams: readonly Stream[], arrivalRate: number): void {
    if (streams.length > 0) this.#judge(streams);
    this.#rate = Math.max(1, arrivalRate);
  }

  /**
   * Notes what ran. When a window closes it tells whether it should have been in band by these costs; undefined
   * otherwise.
   */
  observe({ executed, window }: TickObservation, bandWidth: number): boolean | undefined {
    const usage: [number, number, number] = [0, 0, 0];
    for (const { queryId } of executed) {
      const cost = this.costOf(queryId);
      for (const r of [0, 1, 2] as const) usage[r] += cost[r];
    }
    this.#window.push(usage);
    if (!window) return undefined;
    this.#compare(window.metrics);
    const believed = this.#window.every((tick) => tick.some((used) => used > 0)) && inBand(this.#window, bandWidth);
    this.#window = [];
    return believed;
  }

  /** Why planning by these costs would do harm, in words; null when it would not. */
  doubt(bandWidth: number): string | null {
    if (!this.known) return "no costs are known yet: nothing is delayed until they are";
    if (this.#unknownShare > 0.5)
      return `the costs of ${Math.round(this.#unknownShare * 100)}% of the executions are unknown: nothing is delayed until they are`;
    if (this.#uncertainty / Math.sqrt(this.#rate) > bearable * bandWidth)
      return `costs are known to ${Math.round(this.#uncertainty * 100)}% only, too little for a band of ${Math.round(bandWidth * 100)}%: nothing is delayed until they are surer`;
    if (this.#error > 2 * bandWidth)
      return `costs look stale: windows differ from them by ${Math.round(this.#error * 100)}%; nothing is delayed until they fit`;
    return null;
  }

  #judge(streams: readonly { readonly queryId: string; readonly rate: number }[]): void {
    let [all, unknown, uncertainty] = [0, 0, 0];
    for (const { queryId, rate } of streams) {
      all += rate;
      if (!this.#costs.has(queryId)) unknown += rate;
      uncertainty += rate * this.#relativeError(queryId);
    }
    this.#unknownShare = all === 0 ? 1 : unknown / all;
    this.#uncertainty = all === 0 ? 1 : uncertainty / all;
  }

  /** One standard deviation relative to the mean, averaged over the resources. */
  #relativeError(queryId: string): number {
    const cost = this.#costs.get(queryId);
    if (!cost) return unknownError;
    const sum = cost.mean.reduce((so, mean, r) => so + Math.min(1, (cost.sd[r] ?? 0) / Math.max(1, mean)), 0);
    return sum / cost.mean.length;
  }

  #compare(metrics: Readonly<Record<Resource, { readonly average: number }>>): void {
    let worst = 0;
    for (const [r, resource] of resources.entries()) {
      const { average } = metrics[resource];
      const sum = this.#window.reduce((so, usage) => so + (usage[r] ?? 0), 0);
      const believed = Math.floor(sum / this.#window.length);
      if (average + believed > 0) worst = Math.max(worst, Math.abs(average - believed) / Math.max(average, believed));
    }
    this.#error += (worst - this.#error) * errorGain;
  }
}
