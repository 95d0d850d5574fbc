/** What an estimator keeps: the windows that still have something to say, and a summary of those that are gone. */
import type { WindowObservation } from "../types.ts";
import { checkWindow } from "./check-window.ts";

export interface Query {
  readonly id: string;
  /** Executions seen, ever. */
  seen: number;
  /** Unix ms of the last window in which it ran. */
  lastSeenAt: number;
  /** Its costs over time, oldest first: each holds from `since` (Unix ms) until the next. */
  readonly versions: Version[];
}

export interface Version {
  readonly since: number;
  /** What windows no longer kept said of its costs: precision and shift of a Gaussian per resource. */
  readonly precision: Float64Array;
  readonly shift: Float64Array;
  /** Where the last run's rounds left its costs. */
  factors?: Float32Array | undefined;
}

export function newVersion(since: number): Version {
  return { since, precision: new Float64Array(3), shift: new Float64Array(3) };
}

/** Where a run's rounds stood, beside what is kept with windows and versions (`progress.ts`). */
export interface Progress {
  /** Runs so far, and rounds since learning began anew. */
  readonly runs: number;
  readonly rounds: number;
  readonly integer: boolean;
  /** Executions that ran unseen, per one seen. */
  readonly unseen: number;
  /** Weight, three means and three variances of each component of the population. */
  readonly components: readonly (readonly number[])[];
  /** Law of shifts of inferred bounds. */
  readonly shifts: readonly number[];
}

export interface StoredWindow {
  readonly key: string;
  readonly epoch: string;
  readonly endedAt: number;
  readonly firstTick: number;
  readonly inferred: boolean;
  /** Indexes into the memory's queries. */
  readonly ticks: readonly Int32Array[];
  /** [average, min, max] of each resource; NaN where unusable. */
  readonly bands: Float64Array;
  /** Where the last run's rounds left what it says. */
  factors?: Float32Array | undefined;
}

export function executionsOf({ ticks }: StoredWindow): number {
  return ticks.reduce((sum, tick) => sum + tick.length, 0);
}

/** By time; equal times by place and key, so that the order of arrival does not matter. */
function byTime(a: StoredWindow, b: StoredWindow): number {
  return a.endedAt - b.endedAt || a.firstTick - b.firstTick || (a.key < b.key ? -1 : Number(a.key > b.key));
}

export class Memory {
  readonly queries: Query[] = [];
  /** Unix ms: windows that ended by then were summarised and are not taken again. */
  horizon = 0;
  /** Where the last run's rounds stood; undefined: the next one begins anew. */
  progress: Progress | undefined;
  readonly #index = new Map<string, number>();
  readonly #windows = new Map<string, StoredWindow>();
  #executions = 0;
  #ticks = 0;

  get windows(): readonly StoredWindow[] {
    return Array.from(this.#windows.values()).sort(byTime);
  }

  /** Executions held. */
  get executions(): number {
    return this.#executions;
  }

  /** Ticks of the windows held. */
  get ticks(): number {
    return this.#ticks;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** Takes a window; its faults are returned, with `taken` false when nothing of it could be used. */
  observe(window: WindowObservation): { readonly taken: boolean; readonly faults: readonly string[] } {
    if (this.#windows.has(window.key)) return { taken: false, faults: ["duplicate"] };
    const { bands, usable, faults } = checkWindow(window);
    if (!usable) return { taken: false, faults };
    if (window.endedAt <= this.horizon) return { taken: false, faults: ["too-late"] };
    const ticks = window.ticks.map((tick) => Int32Array.from(tick, (id) => this.#indexOf(id)));
    for (const tick of ticks) for (const query of tick) this.#saw(query, window.endedAt);
    const { key, epoch, endedAt, firstTick } = window;
    this.restoreWindow({ key, epoch, endedAt, firstTick, inferred: window.bounds === "inferred", ticks, bands });
    return { taken: true, faults };
  }

  /** Puts back what was saved: queries first, then windows. */
  restoreQuery(query: Query): void {
    this.#index.set(query.id, this.queries.length);
    this.queries.push(query);
  }

  restoreWindow(window: StoredWindow): void {
    this.#windows.set(window.key, window);
    this.#executions += executionsOf(window);
    this.#ticks += window.ticks.length;
  }

  /** Lets the oldest windows go, unread, if there are more than `most` executions, until there are `room`. */
  makeRoom(most: number, room: number): void {
    if (this.#executions <= most) return;
    let excess = this.#executions - room;
    const going: StoredWindow[] = [];
    for (const window of this.windows) {
      if (excess <= 0) break;
      excess -= executionsOf(window);
      going.push(window);
    }
    this.forget(going);
  }

  /** Forgets all that windows until then (Unix ms) said, and what costs were. */
  beginAnew(until: number): void {
    this.forget(this.windows.filter(({ endedAt }) => endedAt <= until));
    this.progress = undefined;
    for (const { versions } of this.queries) versions.splice(0, versions.length, newVersion(0));
    for (const window of this.#windows.values()) window.factors = undefined;
  }

  /** Forgets windows, which the caller has summarised in their queries. */
  forget(windows: readonly StoredWindow[]): void {
    for (const window of windows) {
      if (!this.#windows.delete(window.key)) continue;
      this.#executions -= executionsOf(window);
      this.#ticks -= window.ticks.length;
      this.horizon = Math.max(this.horizon, window.endedAt);
    }
  }

  #indexOf(id: string): number {
    let index = this.#index.get(id);
    if (index === undefined) {
      index = this.queries.length;
      this.restoreQuery({ id, seen: 0, lastSeenAt: 0, versions: [newVersion(0)] });
    }
    return index;
  }

  #saw(index: number, at: number): void {
    const query = this.queries[index];
    if (!query) return;
    query.seen++;
    query.lastSeenAt = Math.max(query.lastSeenAt, at);
  }
}
