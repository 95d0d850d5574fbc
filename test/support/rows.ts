import type { ExecutionRow, WindowRow } from "../../platform/wire.ts";

/** A valid execution; give what matters to the test. */
export function executionRow(sequence: number, more: Partial<ExecutionRow> = {}): ExecutionRow {
  return {
    type: "execution",
    sequence,
    epoch: "epoch",
    executionId: `execution-${sequence}`,
    queryId: "query",
    arrivedAt: 1_795_251_599_800,
    executedAt: 1_795_251_599_900,
    tick: sequence,
    delayTicks: 1,
    ...more,
  };
}

/** A valid window of which nothing ran; give what matters to the test. */
export function windowRow(sequence: number, more: Partial<WindowRow> = {}): WindowRow {
  const idle = { average: 0, min: 0, max: 0 };
  return {
    type: "window",
    sequence,
    epoch: "epoch",
    endedAt: 1_795_251_599_999,
    tickMs: 100,
    firstTick: 10 * sequence,
    bounds: "exact",
    metrics: { cpu: idle, io: idle, memory: idle },
    queries: [],
    ticks: Array.from({ length: 10 }, () => []),
    ...more,
  };
}

/** The body of a queue message that carries `rows`, numbered consecutively from the first. */
export function batchBody(serverId: string, incarnation: string, first: number, rows: readonly unknown[]): string {
  const last = first + rows.length - 1;
  return JSON.stringify({ format: "evenkeel.batch/1", serverId, incarnation, base: first, first, last, rows });
}
