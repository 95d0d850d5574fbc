import type { HelloEvent, QueuedEntry, TickEvent } from "../../../platform/wire.ts";

/** What the console saw of one execution. Times in Unix ms, as precise as a tick. */
export interface SeenExecution {
  readonly id: string;
  readonly queryId: string;
  readonly epoch: string;
  readonly arrivedTick: number;
  /** Undefined when it arrived before the console looked. */
  readonly arrivedAt: number | undefined;
  /** The tick it was first due in. */
  readonly firstDueTick: number | undefined;
  readonly executedTick?: number;
  readonly executedAt?: number;
}

const mostExecuted = 20_000;
const mostWaiting = 100_000;

/** What waits on the server, and the last executions that ran there. */
export class ExecutionLog {
  #waiting = new Map<string, SeenExecution>();
  readonly #executed = new Map<string, SeenExecution>();
  #epoch = "";
  /** What waits; null before the first `hello`. */
  #count: number | null = null;

  get waiting(): number | null {
    return this.#count;
  }

  begin({ epoch, queue }: HelloEvent): void {
    const known = this.#epoch === epoch ? this.#waiting : new Map<string, SeenExecution>();
    this.#epoch = epoch;
    this.#waiting = new Map();
    this.#count = queue.length;
    for (const entry of queue) this.#wait(entry, known.get(entry.id)?.arrivedAt);
  }

  tick(event: TickEvent): void {
    for (const { id, queryId, arrivedTick } of event.executed) {
      const waited = this.#waiting.get(id) ?? this.#seen({ id, queryId, arrivedTick }, undefined);
      this.#waiting.delete(id);
      this.#executed.set(id, { ...waited, executedTick: event.tick, executedAt: event.at });
      if (this.#executed.size <= mostExecuted) continue;
      for (const oldest of this.#executed.keys()) {
        this.#executed.delete(oldest);
        break;
      }
    }
    for (const entry of event.arrived) this.#wait(entry, event.at);
    this.#count = (this.#count ?? 0) + event.arrived.length - event.executed.length;
  }

  find(id: string): SeenExecution | undefined {
    return this.#waiting.get(id) ?? this.#executed.get(id);
  }

  /** The last that ran, newest first; of one query where given. */
  latest(count: number, queryId?: string): SeenExecution[] {
    const found: SeenExecution[] = [];
    const all = [...this.#executed.values()];
    for (let index = all.length - 1; index >= 0 && found.length < count; index--) {
      const one = all[index];
      if (one && (queryId === undefined || one.queryId === queryId)) found.push(one);
    }
    return found;
  }

  /** Those that ran from `from` to `to` (Unix ms), in order. */
  between(from: number, to: number): SeenExecution[] {
    return [...this.#executed.values()].filter(({ executedAt = 0 }) => executedAt > from && executedAt <= to);
  }

  #wait(entry: QueuedEntry, arrivedAt: number | undefined): void {
    if (this.#waiting.size < mostWaiting) this.#waiting.set(entry.id, this.#seen(entry, arrivedAt));
  }

  #seen(
    { id, queryId, arrivedTick, tick }: Omit<QueuedEntry, "tick"> & { readonly tick?: number },
    arrivedAt: number | undefined,
  ): SeenExecution {
    return { id, queryId, epoch: this.#epoch, arrivedTick, arrivedAt, firstDueTick: tick };
  }
}
