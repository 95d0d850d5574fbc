import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { Sequences } from "../../platform/outbox.ts";
import { fitting, type NewRow, type NewWindow } from "../../platform/outbox-row.ts";
import { type DelayOutcome, HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import type { HelloEvent, Metrics, PlaceResponse, ServerInfo, StreamEvent, TickEvent } from "../../platform/wire.ts";
import type { ClosedWindow, Engine, Queued, Step } from "./engine.ts";
import type { Ledger } from "./ledger.ts";

export interface DatabaseServerOptions {
  readonly serverId: string;
  /** This run. */
  readonly epoch: string;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Ledger;
  /** A plain server has none. */
  readonly outbox?: { append(rows: readonly NewRow[]): Sequences } | undefined;
  /** The outbox's part of `info`. */
  readonly outboxInfo?: (() => ServerInfo["outbox"]) | undefined;
  /** The share of new work that there is room to record, 0 to 1; all of it by default. */
  readonly intake?: (() => number) | undefined;
}

type Placements = Parameters<ServerHost["place"]>[1];

/** A tick that has run and is not on disk yet. */
interface Unwritten {
  readonly step: Step;
  readonly at: number;
  /** As they went to the outbox. */
  rows?: readonly NewRow[];
  sequences?: Sequences;
}

const nothing: Metrics = {
  cpu: { average: 0, min: 0, max: 0 },
  io: { average: 0, min: 0, max: 0 },
  memory: { average: 0, min: 0, max: 0 },
};

/**
 * The simulated database as a server. A tick counts, and is visible, once it is on disk: outbox first, then ledger.
 * As the disk fills up, the database takes in less new work; when the disk takes nothing more, the database stands still,
 * and time with it, until it does.
 */
export class DatabaseServer implements ServerHost {
  readonly #options: DatabaseServerOptions;
  readonly #listeners = new Set<(event: StreamEvent) => void>();
  #unwritten: Unwritten | undefined;
  #trouble: string | null = null;
  #fence = 0;
  #metrics: Metrics & { timestamp: number };
  readonly #counted = { executions: 0, windows: 0, gaps: 0 };
  /** Monotonic ms at which tick 0 was due. */
  #gridStart: number;

  constructor(options: DatabaseServerOptions) {
    this.#options = options;
    this.#gridStart = options.clock.monotonic();
    this.#metrics = { ...nothing, timestamp: options.clock.now() };
  }

  /** Ticks on a fixed grid of the monotonic clock; late ticks are made up for, one by one. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, engine } = this.#options;
    this.#gridStart = clock.monotonic() + engine.parameters.tickMs;
    while (!signal.aborted) {
      const wait = this.#dueAt(engine.tick + 1) - clock.monotonic();
      await clock.sleep(wait, signal);
      if (signal.aborted || this.#dueAt(engine.tick + 1) > clock.monotonic()) continue;
      if (this.runTick()) continue;
      const stoodSince = clock.monotonic();
      do await clock.sleep(1_000, signal);
      while (!signal.aborted && !this.runTick());
      // Time stood still meanwhile: these ticks are not made up for.
      this.#gridStart += clock.monotonic() - stoodSince;
    }
  }

  /** Runs one tick, or finishes the last one. False when it cannot be written now: nothing of it is visible then. */
  runTick(): boolean {
    const { engine, log, intake } = this.#options;
    this.#unwritten ??= { step: engine.step(intake?.()), at: this.#wallTime(engine.tick) };
    try {
      this.#write(this.#unwritten);
    } catch (error) {
      const trouble = `standing still: ${describeError(error)}`;
      if (this.#trouble !== trouble) log.error(trouble, { tick: engine.tick });
      this.#trouble = trouble;
      return false;
    }
    if (this.#trouble) log.info("going on", { tick: engine.tick, after: this.#trouble });
    this.#trouble = null;
    this.#publish(this.#unwritten);
    this.#unwritten = undefined;
    return true;
  }

  queue(): ReturnType<ServerHost["queue"]> {
    const { clock } = this.#options;
    const engine = this.#written();
    const { stamped } = engine.parameters;
    return engine.queued().map(({ id, queryId, arrivedTick, tick }) => ({
      query: { id: queryId },
      execution: stamped
        ? { id, timestamp: this.#wallTime(tick), tick, arrivedTick }
        : // As existing servers do it: what remains, in ticks, is added as if it were milliseconds.
          { id, timestamp: clock.now() + tick - engine.tick },
    }));
  }

  resources(): ReturnType<ServerHost["resources"]> {
    return this.#metrics;
  }

  async delay(executionId: string, ticks: number): Promise<DelayOutcome> {
    const engine = this.#written();
    const { maxDelayTicks } = engine.parameters;
    if (ticks > maxDelayTicks) return { outcome: "refused", reason: `delay: at most ${maxDelayTicks} ticks` };
    return { outcome: engine.delay(executionId, ticks) ? "delayed" : "unknown" };
  }

  async place(fence: number, placements: Placements): Promise<PlaceResponse | undefined> {
    const engine = this.#written();
    if (fence < this.#fence) return undefined;
    this.#fence = fence;
    const latest = engine.tick + engine.parameters.maxDelayTicks;
    const results = placements.map(({ id, tick: wanted }) => {
      const tick = engine.place(id, Math.min(wanted, latest));
      return tick === undefined ? { id, outcome: "gone" as const } : { id, outcome: "placed" as const, tick };
    });
    return { tick: Math.max(0, engine.tick), results };
  }

  info(): ServerInfo {
    const { outboxInfo } = this.#options;
    if (!outboxInfo) throw new TypeError("a plain server does not describe itself");
    const outbox = outboxInfo();
    const { tick, ...clockwork } = this.#clockwork();
    return {
      ...clockwork,
      kind: "native",
      tick: Math.max(0, tick),
      outbox: { ...outbox, trouble: this.#trouble ?? outbox.trouble },
      counted: { ...this.#counted },
    };
  }

  subscribe(listener: (event: StreamEvent) => void): () => void {
    const queue = this.#written().queued().map(entry);
    const hello: HelloEvent = { type: "hello", ...this.#clockwork(), queue };
    listener(hello);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The engine, unless it is ahead of the disk: what is not written yet must not be seen. */
  #written(): Engine {
    if (this.#unwritten) throw new HostUnavailable(this.#trouble ?? "standing still");
    return this.#options.engine;
  }

  #clockwork() {
    const { serverId, epoch, engine } = this.#options;
    const { tickMs, windowTicks, defaultDelayTicks } = engine.parameters;
    return { serverId, epoch, tick: engine.tick, tickMs, windowTicks, defaultDelayTicks };
  }

  #dueAt(tick: number): number {
    return this.#gridStart + tick * this.#options.engine.parameters.tickMs;
  }

  /** Unix ms at which a tick runs, ran or should have run, by what the wall clock says now. */
  #wallTime(tick: number): number {
    const { clock } = this.#options;
    return Math.max(0, Math.round(clock.now() - clock.monotonic() + this.#dueAt(tick)));
  }

  #write(unwritten: Unwritten): void {
    const { outbox, ledger } = this.#options;
    const { step, at } = unwritten;
    unwritten.rows ??= outbox ? this.#rows(step, at) : [];
    if (outbox && unwritten.rows.length > 0) unwritten.sequences ??= outbox.append(unwritten.rows);
    ledger.append({ tick: step.tick, at, sequences: unwritten.sequences, executed: step.executed });
    if (step.window) ledger.sync();
  }

  #rows({ tick, executed, window }: Step, at: number): NewRow[] {
    const { epoch, engine } = this.#options;
    const { tickMs } = engine.parameters;
    const rows: NewRow[] = executed.map(({ id, queryId, arrivedTick }) => ({
      type: "execution",
      epoch,
      executionId: id,
      queryId,
      arrivedAt: Math.max(0, at - (tick - arrivedTick) * tickMs),
      executedAt: at,
      tick,
      delayTicks: tick - arrivedTick,
    }));
    return window ? [...rows, fitting(windowRow(epoch, at, tickMs, window))] : rows;
  }

  #publish({ step, at, rows = [], sequences }: Unwritten): void {
    const { tick, executed, arrived, window } = step;
    this.#counted.executions += executed.length;
    this.#counted.gaps += rows.filter(({ type }) => type === "gap").length + (sequences?.gaps ?? 0);
    if (window) {
      this.#counted.windows++;
      this.#metrics = { ...metricsOf(window), timestamp: at };
    }
    if (this.#listeners.size === 0) return;
    const event: TickEvent = {
      type: "tick",
      tick,
      at,
      executed: executed.map(({ id, queryId, arrivedTick }) => ({ id, queryId, arrivedTick })),
      arrived: arrived.map(entry),
      ...(window && { window: { firstTick: window.firstTick, bounds: "exact", metrics: metricsOf(window) } }),
    };
    for (const listener of this.#listeners) listener(event);
  }
}

function entry({ id, queryId, arrivedTick, tick }: Queued) {
  return { id, queryId, arrivedTick, tick };
}

function metricsOf({ cpu, io, memory }: ClosedWindow): Metrics {
  return { cpu, io, memory };
}

function windowRow(epoch: string, endedAt: number, tickMs: number, window: ClosedWindow): NewWindow {
  const numbers = new Map<string, number>();
  const numberOf = (queryId: string): number => {
    const number = numbers.get(queryId) ?? numbers.size;
    numbers.set(queryId, number);
    return number;
  };
  const ticks = window.ticks.map((queryIds) => queryIds.map(numberOf));
  return {
    type: "window",
    epoch,
    endedAt,
    tickMs,
    firstTick: window.firstTick,
    bounds: "exact",
    metrics: metricsOf(window),
    queries: [...numbers.keys()],
    ticks,
  };
}
