import type { Journal } from "./journal.ts";
import type { Process } from "./processes.ts";
import type { Teller, Told } from "./teller.ts";
import type { TickUsage } from "./usage.ts";
import type { Waiting } from "./waiting.ts";
import { type Begun, Windows } from "./windows.ts";

export interface Clockwork {
  readonly tickMs: number;
  readonly windowTicks: number;
  /** How many ticks deferrable work waits for the scheduler to place it; it hears of it one or two ticks after its arrival. */
  readonly defaultDelayTicks: number;
}

/** Times in ms after the start of tick 0. */
export interface Execution {
  readonly id: string;
  readonly queryId: string;
  readonly process: Process;
  readonly arrivedAt: number;
  readonly startedAt: number;
}

interface Open extends Execution {
  readonly begun: Begun;
  /** In which it counts as started. */
  readonly tick: number;
  /** As the stream tells it; in shadow mode once it would have started. */
  told: Told | undefined;
}

export interface RunningOptions {
  readonly epoch: string;
  readonly clockwork: Clockwork;
  readonly journal: Journal;
  readonly teller: Teller;
  /** Unix ms of a time. */
  readonly wall: (at: number) => number;
}

/** What ended longer ago than this when it is told is recorded, and not told as if it were running now. */
const freshMs = 1_000;

/** What runs: opened when an application tells that it began, recorded when it ended, or when its application died. */
export class Running {
  readonly #options: RunningOptions;
  readonly #windows: Windows;
  readonly #open = new Map<string, Open>();
  /** Released, and not yet told to have begun. */
  readonly #released = new Map<string, Execution>();
  readonly #starts = new Map<number, string[]>();

  constructor(options: RunningOptions) {
    this.#options = options;
    const { epoch, clockwork } = options;
    this.#windows = new Windows({ epoch, ...clockwork });
  }

  /** Whether it was released or has begun. */
  has(id: string): boolean {
    return this.#released.has(id) || this.#open.has(id) || this.#options.journal.has(id);
  }

  released({ id, queryId, process, arrivedAt }: Waiting, now: number): void {
    this.#released.set(id, { id, queryId, process, arrivedAt, startedAt: now });
  }

  /** What was released and has not begun, as far as was told. */
  releasedOf(process: Process): string[] {
    return [...this.#released.values()].filter((one) => one.process === process).map(({ id }) => id);
  }

  begin(execution: Execution, now: number, shadow = false): void {
    const { id, queryId, startedAt } = execution;
    if (this.#open.has(id) || this.#options.journal.has(id)) return;
    this.#released.delete(id);
    this.#open.set(id, this.#opened(execution, shadow ? undefined : this.#told(id, queryId, startedAt), now));
  }

  /** Records it; opens it first when its beginning was not told. */
  end(execution: Execution, now: number, durationMs: number, shadow: boolean): void {
    const { id, queryId, startedAt } = execution;
    if (this.#options.journal.has(id)) return;
    this.#released.delete(id);
    const late = now - startedAt - durationMs > freshMs;
    const open =
      this.#open.get(id) ??
      this.#opened(execution, shadow || late ? undefined : this.#told(id, queryId, startedAt), now);
    this.#open.delete(id);
    open.begun.endedAt = open.startedAt + durationMs;
    if (open.told) this.#options.teller.ended(open.told, this.#tickOf(open.begun.endedAt), durationMs);
    this.#recordExecution(open, Math.round(durationMs));
  }

  /** In shadow mode: now it would have begun. */
  wouldStart({ id, queryId, tick, durationMs }: Waiting): void {
    const { teller, clockwork } = this.#options;
    const told = teller.started(id, queryId, tick);
    const open = this.#open.get(id);
    if (open) open.told = told;
    else if (durationMs !== undefined) {
      teller.ended(told, told.tick + Math.floor(durationMs / clockwork.tickMs), durationMs);
    }
  }

  /** Records what a process had begun and will tell no more of. Returns how many. */
  abandon(process: Process, now: number): number {
    const released = [...this.#released.values()].filter((one) => one.process === process);
    for (const execution of released) this.begin(execution, now);
    const open = [...this.#open.values()].filter((one) => one.process === process);
    for (const one of open) {
      this.#open.delete(one.id);
      one.begun.endedAt = now;
      if (one.told) this.#options.teller.ended(one.told, this.#tickOf(now), now - one.startedAt);
      this.#recordExecution(one, undefined);
    }
    return open.length;
  }

  /** When the oldest that runs began, by process. */
  oldest(): Map<string, number> {
    const oldest = new Map<string, number>();
    for (const { process, startedAt } of this.#open.values()) {
      oldest.set(process.id, Math.min(startedAt, oldest.get(process.id) ?? startedAt));
    }
    return oldest;
  }

  /** The tick is complete: nothing that is told from now on started in it. */
  closeTick(tick: number, usage: TickUsage | undefined) {
    const started = this.#starts.get(tick) ?? [];
    this.#starts.delete(tick);
    return this.#windows.tick(tick, started, usage);
  }

  recordWindows(now: number): void {
    for (const row of this.#windows.takeRows(now, this.#options.wall)) this.#options.journal.add(row);
  }

  #opened(execution: Execution, told: Told | undefined, now: number): Open {
    const { queryId, startedAt } = execution;
    const { teller } = this.#options;
    const begun: Begun = { queryId, startedAt };
    this.#windows.begun(begun);
    const tick = told?.tick ?? Math.max(this.#tickOf(startedAt), teller.tick + 1);
    if (now - startedAt <= freshMs || told) {
      const starts = this.#starts.get(tick);
      if (starts) starts.push(queryId);
      else this.#starts.set(tick, [queryId]);
    }
    return { ...execution, begun, tick, told };
  }

  #told(id: string, queryId: string, startedAt: number): Told {
    return this.#options.teller.started(id, queryId, this.#tickOf(startedAt));
  }

  #recordExecution({ id, queryId, arrivedAt, startedAt, tick }: Open, durationMs: number | undefined): void {
    const { journal, epoch, wall } = this.#options;
    journal.add({
      type: "execution",
      epoch,
      executionId: id,
      queryId,
      arrivedAt: wall(arrivedAt),
      executedAt: wall(startedAt),
      tick,
      delayTicks: Math.max(0, this.#tickOf(startedAt) - this.#tickOf(arrivedAt)),
      ...(durationMs !== undefined && { durationMs }),
    });
  }

  #tickOf(at: number): number {
    return Math.floor(at / this.#options.clockwork.tickMs);
  }
}
