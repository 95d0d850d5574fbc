import type { NewRow } from "../../platform/outbox-row.ts";
import type { Metrics } from "../../platform/wire.ts";
import type { TickUsage } from "./usage.ts";

/** An execution that has begun. Times in ms after the start of tick 0. */
export interface Begun {
  readonly queryId: string;
  readonly startedAt: number;
  /** Undefined while it lasts. */
  endedAt?: number;
}

export interface WindowsOptions {
  readonly epoch: string;
  readonly tickMs: number;
  readonly windowTicks: number;
}

interface Closed {
  readonly firstTick: number;
  readonly ticks: readonly (readonly string[])[];
  readonly usages: readonly TickUsage[] | undefined;
}

/** A window's row waits so long for what was active in it to end. */
const patienceMs = 30_000;
const nothing: Metrics = {
  cpu: { average: 0, min: 0, max: 0 },
  io: { average: 0, min: 0, max: 0 },
  memory: { average: 0, min: 0, max: 0 },
};

/** Metrics windows, and which executions were active in each: a window's row is made when all of them have ended. */
export class Windows {
  readonly #options: WindowsOptions;
  readonly #executions = new Set<Begun>();
  /** Those of them that may still run. */
  readonly #open = new Set<Begun>();
  #ticks: (readonly string[])[] = [];
  #usages: TickUsage[] = [];
  #firstTick = 0;
  #closed: Closed[] = [];

  constructor(options: WindowsOptions) {
    this.#options = options;
  }

  begun(execution: Begun): void {
    this.#executions.add(execution);
    this.#open.add(execution);
  }

  /** Takes the next tick: what started in it, and what was used. Returns the window that it closed. */
  tick(tick: number, started: readonly string[], usage: TickUsage | undefined) {
    this.#ticks.push(started);
    if (usage) this.#usages.push(usage);
    if ((tick + 1) % this.#options.windowTicks !== 0) return undefined;
    const usages = this.#usages.length === this.#ticks.length ? this.#usages : undefined;
    const closed: Closed = { firstTick: this.#firstTick, ticks: this.#ticks, usages };
    this.#closed.push(closed);
    this.#ticks = [];
    this.#usages = [];
    this.#firstTick = tick + 1;
    return { firstTick: closed.firstTick, metrics: usages && metricsOf(usages) };
  }

  /**
   * Rows of windows, in order, that wait for nothing any more at `now` (ms after the start of tick 0).
   * @param wall Unix ms of such a time
   */
  takeRows(now: number, wall: (at: number) => number): NewRow[] {
    const { tickMs } = this.#options;
    const rows: NewRow[] = [];
    for (const execution of this.#open) if (execution.endedAt !== undefined) this.#open.delete(execution);
    for (let window = this.#closed[0]; window; window = this.#closed[0]) {
      const from = window.firstTick * tickMs;
      const to = from + window.ticks.length * tickMs;
      if (now < to + patienceMs && [...this.#open].some(({ startedAt }) => startedAt < to)) break;
      const active = [...this.#executions].filter(({ startedAt, endedAt = now }) => startedAt < to && endedAt > from);
      rows.push(this.#row(window, active, wall));
      this.#closed.shift();
    }
    if (rows.length === 0) return rows;
    const needed = (this.#closed[0]?.firstTick ?? this.#firstTick) * tickMs;
    for (const execution of this.#executions) {
      if ((execution.endedAt ?? now) < needed) this.#executions.delete(execution);
    }
    return rows;
  }

  #row({ firstTick, ticks, usages }: Closed, active: readonly Begun[], wall: (at: number) => number): NewRow {
    const { epoch, tickMs } = this.#options;
    const start = firstTick * tickMs;
    const lengthMs = ticks.length * tickMs;
    const numbers = new Map<string, number>();
    const numberOf = (queryId: string): number => {
      const number = numbers.get(queryId) ?? numbers.size;
      numbers.set(queryId, number);
      return number;
    };
    const within = (at: number) => round(Math.min(Math.max(at - start, 0), lengthMs));
    const row = {
      ticks: ticks.map((started) => started.map(numberOf)),
      active: together(active, tickMs).map(({ queryId, startedAt, endedAt, times }) => ({
        query: numberOf(queryId),
        from: within(startedAt),
        to: within(endedAt ?? Number.POSITIVE_INFINITY),
        durationMs: endedAt === undefined ? null : round(endedAt - startedAt),
        ...(times > 1 && { times }),
      })),
    };
    return {
      type: "window",
      epoch,
      endedAt: wall(start + lengthMs),
      tickMs,
      firstTick,
      bounds: "exact",
      metrics: usages ? metricsOf(usages) : nothing,
      queries: [...numbers.keys()],
      ...row,
      ...(usages && {
        usage: {
          cpu: usages.map(({ cpu }) => cpu),
          io: usages.map(({ io }) => io),
          memory: usages.map(({ memory }) => memory),
        },
      }),
    };
  }
}

/**
 * Executions of one query that began in one tick and ended in one are told as one with their means: no sampler tells them
 * apart, what they had of each tick adds up to the same, and a row has room for some thousands.
 */
function together(active: readonly Begun[], tickMs: number): readonly (Begun & { readonly times: number })[] {
  const groups = new Map<string, { queryId: string; times: number; started: number; ended: number | undefined }>();
  for (const { queryId, startedAt, endedAt } of active) {
    const ticks = [startedAt, endedAt ?? Number.POSITIVE_INFINITY].map((at) => Math.floor(at / tickMs));
    const key = `${ticks.join(" ")} ${queryId}`;
    const group = groups.get(key) ?? { queryId, times: 0, started: 0, ended: 0 };
    group.times++;
    group.started += startedAt;
    group.ended = endedAt === undefined || group.ended === undefined ? undefined : group.ended + endedAt;
    groups.set(key, group);
  }
  return Array.from(groups.values(), ({ queryId, times, started, ended }) => {
    return { queryId, startedAt: started / times, times, ...(ended !== undefined && { endedAt: ended / times }) };
  });
}

function metricsOf(usages: readonly TickUsage[]): Metrics {
  const band = (resource: keyof TickUsage) => {
    const values = usages.map((usage) => usage[resource]);
    const average = Math.floor(values.reduce((sum, value) => sum + value, 0) / values.length);
    return { average, min: Math.min(...values), max: Math.max(...values) };
  };
  return { cpu: band("cpu"), io: band("io"), memory: band("memory") };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
