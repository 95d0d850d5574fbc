import type { HelloEvent, QueuedEntry, StreamEvent, TickEvent } from "../../platform/wire.ts";
import type { Waiting } from "./waiting.ts";

/** An execution as the stream tells it. */
export interface Told {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  /** The tick in which its start is told. */
  readonly tick: number;
}

type Listener = (event: StreamEvent) => void;

/**
 * The stream: one event a tick, told when what happened in the tick has come in. Arrivals are told in the first event
 * after they came, whatever its tick, so that a scheduler hears of them in time.
 */
export class Teller {
  readonly #hello: () => Omit<HelloEvent, "queue" | "tick" | "type">;
  readonly #listeners = new Set<Listener>();
  /** The last tick that was told. */
  tick = -1;
  #arrivals: Waiting[] = [];
  /** What listeners take to be waiting. */
  readonly #queue = new Map<string, Waiting>();
  readonly #started = new Map<number, Told[]>();
  readonly #ended = new Map<number, NonNullable<TickEvent["ended"]>>();
  #queueChanged = false;

  constructor(hello: () => Omit<HelloEvent, "queue" | "tick" | "type">) {
    this.#hello = hello;
  }

  subscribe(listener: Listener): () => void {
    listener(this.#helloEvent());
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  arrived(waiting: Waiting): void {
    this.#arrivals.push(waiting);
  }

  /** It will never begin. */
  gone(waiting: Waiting): void {
    if (this.#forget(waiting.id)) return;
    this.#queueChanged = this.#queue.delete(waiting.id) || this.#queueChanged;
  }

  /** @param tick in which it began; it is told in a later one when that one was told already, or its arrival is later */
  started(id: string, queryId: string, tick: number): Told {
    const waited = this.#forget(id) ? undefined : this.#queue.get(id);
    const at = Math.max(tick, this.tick + 1, waited ? waited.arrivedTick + 1 : 0);
    // One that never waited, as far as listeners know, arrived when it began.
    const told = { id, queryId, arrivedTick: waited?.arrivedTick ?? at, tick: at };
    push(this.#started, at, told);
    return told;
  }

  ended({ id, queryId, tick: startedTick }: Told, tick: number, durationMs: number): void {
    push(this.#ended, Math.max(tick, this.tick + 1, startedTick), { id, queryId, startedTick, durationMs });
  }

  /** Tells the next tick. */
  tell(event: Pick<TickEvent, "at" | "usage" | "window">): void {
    const tick = ++this.tick;
    const executed = this.#started.get(tick) ?? [];
    const ended = this.#ended.get(tick) ?? [];
    const arrivals = this.#arrivals;
    this.#arrivals = [];
    this.#started.delete(tick);
    this.#ended.delete(tick);
    for (const { id } of executed) this.#queue.delete(id);
    for (const waiting of arrivals) this.#queue.set(waiting.id, waiting);
    if (this.#listeners.size > 0) {
      this.#send({
        type: "tick",
        tick,
        ...event,
        executed: executed.map(({ id, queryId, arrivedTick }) => ({ id, queryId, arrivedTick })),
        arrived: arrivals.map(entry),
        ended,
      });
      if (this.#queueChanged) this.#send(this.#helloEvent());
    }
    this.#queueChanged = false;
  }

  #forget(id: string): boolean {
    const before = this.#arrivals.length;
    if (before === 0) return false;
    this.#arrivals = this.#arrivals.filter((waiting) => waiting.id !== id);
    return this.#arrivals.length < before;
  }

  #send(event: StreamEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #helloEvent(): HelloEvent {
    const queue = Array.from(this.#queue.values(), entry);
    return { type: "hello", ...this.#hello(), tick: this.tick, queue };
  }
}

function entry({ id, queryId, arrivedTick, tick, latestTick }: Waiting): QueuedEntry {
  return { id, queryId, arrivedTick, tick, latestTick };
}

function push<Value>(lists: Map<number, Value[]>, key: number, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
