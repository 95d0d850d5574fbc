/** Recorded traffic, put together from windows and executions: what arrived when, and what was made of it. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { type ExecutionItem, readExecutions } from "./executions.ts";
import type { UnreadableItem } from "./query.ts";
import { readWindows, type StoredWindow } from "./windows.ts";

export interface RecordedExecution {
  readonly queryId: string;
  /** Ticks since the range's first execution arrived, over all epochs. */
  readonly arrivedTick: number;
  readonly delayTicks: number;
}

export interface RecordedTraffic {
  /** In order of arrival. */
  readonly executions: readonly RecordedExecution[];
  readonly windows: readonly StoredWindow[];
  /** From the first arrival to the last execution. */
  readonly ticks: number;
  /** Undefined when no window was recorded. */
  readonly tickMs: number | undefined;
  /** The most frequent number of ticks in a window; undefined when no window was recorded. */
  readonly windowTicks: number | undefined;
  readonly unreadable: readonly UnreadableItem[];
}

export interface TrafficOptions {
  readonly document: DynamoDBDocumentClient;
  readonly tables: { readonly executions: string; readonly windows: string };
  readonly serverId: string;
  /** Unix ms, inclusive: executions that ran, and windows that ended, in between. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Told the share of the queries that have been read. */
  readonly onProgress?: (share: number) => void;
  readonly signal?: AbortSignal;
}

const queriesAtOnce = 16;

/** Reads the windows of a time, then each query that ran in them. */
export async function readTraffic(options: TrafficOptions): Promise<RecordedTraffic> {
  const { document, tables, serverId, fromMs, toMs, onProgress = () => {}, signal } = options;
  const { windows, unreadable } = await readWindows(document, tables.windows, serverId, fromMs, toMs);
  const queryIds = Array.from(new Set(windows.flatMap(({ ticks }) => ticks.flat())));
  const items: ExecutionItem[] = [];
  const troubles: UnreadableItem[] = [...unreadable];
  for (let at = 0; at < queryIds.length; at += queriesAtOnce) {
    signal?.throwIfAborted();
    const some = queryIds.slice(at, at + queriesAtOnce);
    const read = await Promise.all(
      some.map((queryId) => readExecutions(document, tables.executions, serverId, queryId, fromMs, toMs)),
    );
    for (const { executions, unreadable: wrong } of read) {
      items.push(...executions);
      troubles.push(...wrong);
    }
    onProgress(Math.min(1, (at + some.length) / queryIds.length));
  }
  const tickMs = windows[0]?.tickMs;
  const executions = tickMs === undefined ? [] : onOneTimeline(items, tickMs);
  const ends = executions.map(({ arrivedTick, delayTicks }) => arrivedTick + delayTicks + 1);
  return {
    executions,
    windows,
    ticks: ends.reduce((last, end) => Math.max(last, end), 0),
    tickMs,
    windowTicks: mostFrequent(windows.map(({ ticks }) => ticks.length)),
    unreadable: troubles,
  };
}

/** Each epoch counts its ticks from 0: its first execution's time says where on the common timeline they lie. */
function onOneTimeline(items: readonly ExecutionItem[], tickMs: number): RecordedExecution[] {
  const startOf = new Map<string, number>();
  for (const { epoch, executedAt, tick } of items.toSorted((a, b) => a.executedAt - b.executedAt)) {
    if (!startOf.has(epoch)) startOf.set(epoch, Math.round(executedAt / tickMs) - tick);
  }
  const arrivals = items.map(({ epoch, queryId, tick, delayTicks }) => ({
    queryId,
    arrivedTick: (startOf.get(epoch) ?? 0) + tick - delayTicks,
    delayTicks,
  }));
  const first = arrivals.reduce((least, { arrivedTick }) => Math.min(least, arrivedTick), Number.POSITIVE_INFINITY);
  return arrivals
    .map((arrival) => ({ ...arrival, arrivedTick: arrival.arrivedTick - first }))
    .sort((a, b) => a.arrivedTick - b.arrivedTick);
}

function mostFrequent(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return Array.from(counts).sort(([, a], [, b]) => b - a)[0]?.[0];
}
