import type { ActiveExecution, WindowObservation } from "../../core/workload/types.ts";
import type { Job } from "./machine.ts";
import { tickMs } from "./sampler.ts";

export interface Ran {
  readonly job: Job;
  readonly startedTick: number;
  endedAt: number | undefined;
}

/** CPU ms as the sampler has it, and what started. */
interface Tick {
  readonly sampled: number;
  readonly executed: readonly { readonly queryId: string }[];
}

export function metricsOf(ticks: readonly Tick[]) {
  const values = ticks.map(({ sampled }) => sampled);
  const average = Math.floor(values.reduce((sum, value) => sum + value, 0) / values.length);
  const cpu = { average, min: Math.min(...values), max: Math.max(...values) };
  const none = { average: 0, min: 0, max: 0 };
  return { cpu, io: none, memory: none };
}

/** The window's row as the estimator gets it, some seconds later: with the durations of what has ended by then. */
export function windowOf(first: number, ticks: readonly Tick[], ran: readonly Ran[]): WindowObservation {
  const [from, to] = [first * tickMs, (first + ticks.length) * tickMs];
  const active: ActiveExecution[] = ran.map((entry) => ({
    queryId: entry.job.query?.id ?? "",
    from: Math.max(0, entry.job.startedAt - from),
    to: Math.min(to, entry.endedAt ?? to) - from,
    get durationMs() {
      const end = entry.endedAt;
      return end === undefined ? null : end - entry.job.startedAt;
    },
  }));
  return {
    key: String(first),
    epoch: "bench",
    endedAt: to,
    firstTick: first,
    tickMs,
    ticks: ticks.map(({ executed }) => executed.map(({ queryId }) => queryId)),
    bounds: "exact",
    metrics: metricsOf(ticks),
    active,
    usage: { cpu: ticks.map(({ sampled }) => sampled), io: ticks.map(() => 0), memory: ticks.map(() => 0) },
  };
}
