import type { Inferred, InferredTick, InferredWindow, TapInference } from "../../core/workload/tap-inference.ts";
import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { Sequences } from "../../platform/outbox.ts";
import { fitting, type NewRow } from "../../platform/outbox-row.ts";
import type { HelloEvent, ServerInfo, StreamEvent, TickEvent } from "../../platform/wire.ts";
import { executionRows, gapRowOf, type RowContext, windowRowOf } from "./rows.ts";

export interface TellerOptions {
  readonly serverId: string;
  /** This run of the tap: tick numbers begin anew with it. */
  readonly epoch: string;
  readonly clockwork: { readonly tickMs: number; readonly windowTicks: number; readonly defaultDelayTicks: number };
  readonly inference: TapInference;
  readonly outbox: { append(rows: readonly NewRow[]): Sequences };
  /** Told whenever the server has been seen and what was seen is on disk. */
  readonly onSeen: (at: number) => void;
  readonly clock: Clock;
  readonly log: Log;
}

type Listener = (event: StreamEvent) => void;

/** Puts what was inferred on disk, and then tells it to whoever listens: what is not on disk is not told. */
export class Teller {
  readonly #options: TellerOptions;
  readonly #listeners = new Set<Listener>();
  /** While the disk does not take this, there are no polls; the next one then shows a gap. */
  #unwritten: { readonly rows: readonly NewRow[]; readonly events: readonly StreamEvent[] } = { rows: [], events: [] };
  /** Closed after the last tick was told: goes with the next one. */
  #window: InferredWindow | undefined;
  #trouble: string | null = null;
  readonly #counted = { executions: 0, windows: 0, gaps: 0 };

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** Why the disk takes nothing, in one line; null while it does. */
  get trouble(): string | null {
    return this.#trouble;
  }

  get counted(): ServerInfo["counted"] {
    return { ...this.#counted };
  }

  /** Tells the listener the queue as it is, and from then on every tick; returns what ends that. */
  subscribe(listener: Listener): () => void {
    listener(this.#hello());
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell({ ticks, windows, gaps, forgotten }: Inferred): void {
    const context = this.#context();
    const rows = [
      ...ticks.flatMap((tick) => executionRows(tick, context)),
      ...windows.map((window) => fitting(windowRowOf(window, context))),
      ...gaps.map((gap) => gapRowOf(gap, context)),
    ];
    this.#window = windows.at(-1) ?? this.#window;
    const events: StreamEvent[] = ticks.map((tick, index) => {
      const window = index === ticks.length - 1 ? this.#window : undefined;
      if (window) this.#window = undefined;
      return tickEvent(tick, context, window);
    });
    // The queue has changed in a way that ticks do not tell.
    if (forgotten > 0) events.push(this.#hello());
    this.#unwritten = { rows, events };
    this.write();
  }

  /** Outbox first. False when the disk takes nothing. */
  write(): boolean {
    const { outbox, log, onSeen, clock } = this.#options;
    const { rows, events } = this.#unwritten;
    try {
      if (rows.length > 0) this.#counted.gaps += outbox.append(rows).gaps;
    } catch (error) {
      const trouble = `standing still: ${describeError(error)}`;
      if (trouble !== this.#trouble) log.error(trouble);
      this.#trouble = trouble;
      return false;
    }
    this.#trouble = null;
    this.#unwritten = { rows: [], events: [] };
    for (const { type } of rows) this.#counted[`${type}s`]++;
    for (const event of events) for (const listener of this.#listeners) listener(event);
    onSeen(clock.now());
    return true;
  }

  /** Unix ms of a monotonic time, by what the wall clock says now. */
  wall(monotonic: number): number {
    const { clock } = this.#options;
    return Math.max(0, Math.round(clock.now() - clock.monotonic() + monotonic));
  }

  #hello(): HelloEvent {
    const { serverId, epoch, clockwork, inference } = this.#options;
    return { type: "hello", serverId, epoch, tick: inference.tick, ...clockwork, queue: inference.waiting() };
  }

  #context(): RowContext {
    const { epoch, inference } = this.#options;
    return { epoch, tickMs: inference.tickMs, wall: (at) => this.wall(at) };
  }
}

function tickEvent(inferred: InferredTick, { wall }: RowContext, window: InferredWindow | undefined): TickEvent {
  const { tick, at, executed, arrived } = inferred;
  return {
    type: "tick",
    tick,
    at: wall(at),
    executed: [...executed],
    arrived: [...arrived],
    ...(window && { window: { firstTick: window.firstTick, bounds: "inferred", metrics: window.metrics } }),
  };
}
