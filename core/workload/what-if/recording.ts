import type { Clockwork, CostEstimate, Triple } from "../types.ts";

/** Traffic to run again: what arrived when, whatever was made of it then. */
export interface Recording {
  readonly clockwork: Clockwork;
  /** In order of arrival; ticks count from 0. */
  readonly arrivals: readonly { readonly queryId: string; readonly arrivedTick: number }[];
  /** How many ticks it lasts. */
  readonly ticks: number;
}

/** What executions are taken to cost. */
export interface Costs {
  readonly costs: ReadonlyMap<string, CostEstimate>;
  /** For queries without costs. */
  readonly prior: CostEstimate;
}

/** A replay begins without knowing the traffic: this share of it, at most two minutes, is not counted. */
export function warmupTicksOf({ ticks, clockwork }: Recording): number {
  const most = 120_000 / clockwork.tickMs;
  return Math.floor(Math.min(most, 0.2 * ticks) / clockwork.windowTicks) * clockwork.windowTicks;
}

export function costOf({ costs, prior }: Costs, queryId: string): Triple {
  return (costs.get(queryId) ?? prior).mean;
}
