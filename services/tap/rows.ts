import type { InferredGap, InferredTick, InferredWindow } from "../../core/workload/tap-inference.ts";
import type { NewRow, NewWindow } from "../../platform/outbox-row.ts";

/** What rows need beyond what was inferred. */
export interface RowContext {
  readonly epoch: string;
  readonly tickMs: number;
  /** Unix ms of a monotonic time. */
  readonly wall: (monotonic: number) => number;
}

export function executionRows({ tick, at, executed }: InferredTick, { epoch, tickMs, wall }: RowContext): NewRow[] {
  return executed.map(({ id, queryId, arrivedTick }) => ({
    type: "execution",
    epoch,
    executionId: id,
    queryId,
    arrivedAt: wall(at - (tick - arrivedTick) * tickMs),
    executedAt: wall(at),
    tick,
    delayTicks: tick - arrivedTick,
  }));
}

export function windowRowOf(window: InferredWindow, { epoch, tickMs, wall }: RowContext): NewWindow {
  const queries = [...new Set(window.ticks.flat())];
  const numbers = new Map(queries.map((queryId, number) => [queryId, number]));
  return {
    type: "window",
    epoch,
    endedAt: wall(window.endedAt),
    tickMs: Math.round(tickMs * 1_000) / 1_000,
    firstTick: window.firstTick,
    bounds: "inferred",
    metrics: window.metrics,
    queries,
    ticks: window.ticks.map((ran) => ran.map((queryId) => numbers.get(queryId) ?? 0)),
  };
}

export function gapRowOf({ from, to, reason }: InferredGap, { epoch, wall }: RowContext): NewRow {
  return { type: "gap", epoch, from: wall(from), to: wall(to), reason };
}
