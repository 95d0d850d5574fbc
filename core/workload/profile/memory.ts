/** What the learning of profiles keeps: windows with what ran through them, and what older ones have said. */
import { resources, type Triple, type WindowObservation } from "../types.ts";

/** What windows no longer kept said of a query's costs: a Gaussian per resource. */
export interface Anchor {
  readonly mean: Triple;
  /** 0: nothing was said. */
  readonly precision: Triple;
}

export interface Query {
  readonly id: string;
  /** Executions seen to start, ever. */
  seen: number;
  /** Unix ms of the last window in which it started. */
  lastSeenAt: number;
  anchor: Anchor;
}

/** A part of an execution: that which lay within one window. Times in ms after the window's start. */
export interface Piece {
  readonly query: number;
  readonly from: number;
  readonly to: number;
  /** Of the whole execution. */
  readonly durationMs: number;
  /** So many alike. */
  readonly times: number;
}

export interface KeptWindow {
  readonly key: string;
  readonly endedAt: number;
  readonly tickMs: number;
  readonly pieces: readonly Piece[];
  /** Per resource and tick: CPU ms, IO KiB, MiB held. */
  readonly used: readonly (readonly number[])[];
}

const nothing: Anchor = { mean: [0, 0, 0], precision: [0, 0, 0] };
const longestTickMs = 60_000;
const latestTime = 8.64e15;
const shortestMs = 0.05;

export class Memory {
  readonly queries: Query[] = [];
  /** Unix ms: windows that ended by then were summarised and are not taken again. */
  horizon = 0;
  readonly #index = new Map<string, number>();
  readonly #windows = new Map<string, KeptWindow>();

  /** By time; equal times by key, so that the order of arrival does not matter. */
  get windows(): KeptWindow[] {
    return Array.from(this.#windows.values()).sort((a, b) => a.endedAt - b.endedAt || (a.key < b.key ? -1 : 1));
  }

  get size(): number {
    return this.#windows.size;
  }

  /** Takes a window; returns why it cannot be used, undefined when it can. */
  observe(window: WindowObservation): string | undefined {
    const { key, endedAt, ticks, tickMs, active, usage } = window;
    if (this.#windows.has(key)) return "duplicate";
    if (!Number.isFinite(endedAt) || endedAt < 0 || endedAt > latestTime) return "bad-time";
    if (!active) return "no-durations";
    if (!usage || tickMs === undefined || !(tickMs > 0 && tickMs <= longestTickMs)) return "no-usage";
    if (resources.some((resource) => usage[resource].length !== ticks.length || ticks.length === 0)) return "no-usage";
    if (resources.some((resource) => !usage[resource].every((value) => value >= 0 && value < 1e12))) return "absurd";
    const length = tickMs * ticks.length;
    const sound = active.every(
      ({ from, to, durationMs, times = 1 }) =>
        from >= 0 && to >= from && to <= length + 1 && (durationMs ?? 1) >= 0 && times >= 1,
    );
    if (!sound) return "bad-duration";
    if (endedAt <= this.horizon) return "too-late";
    // An execution that had not ended is left to the background: how much of its work lies here is not known.
    const pieces = active.flatMap(({ queryId, from, to, durationMs, times = 1 }) =>
      durationMs === null
        ? []
        : [{ query: this.#indexOf(queryId), from, to, durationMs: Math.max(durationMs, to - from, shortestMs), times }],
    );
    for (const queryId of ticks.flat()) {
      const query = this.queries[this.#indexOf(queryId)];
      if (!query) continue;
      query.seen++;
      query.lastSeenAt = Math.max(query.lastSeenAt, Math.floor(endedAt));
    }
    const used = [usage.cpu.map((percent) => (percent * tickMs) / 100), usage.io, usage.memory];
    this.restoreWindow({ key, endedAt, tickMs, pieces, used });
    return undefined;
  }

  /** Puts back what was saved: queries first, then windows. */
  restoreQuery(query: Query): void {
    this.#index.set(query.id, this.queries.length);
    this.queries.push(query);
  }

  restoreWindow(window: KeptWindow): void {
    this.#windows.set(window.key, window);
  }

  /** Forgets windows, which the caller has summarised in their queries. */
  forget(windows: readonly KeptWindow[]): void {
    for (const { key, endedAt } of windows) {
      this.#windows.delete(key);
      this.horizon = Math.max(this.horizon, endedAt);
    }
  }

  #indexOf(id: string): number {
    const known = this.#index.get(id);
    if (known !== undefined) return known;
    this.restoreQuery({ id, seen: 0, lastSeenAt: 0, anchor: nothing });
    return this.queries.length - 1;
  }
}
