import type { PlaceResponse } from "../../platform/wire.ts";
import type { Process } from "./processes.ts";

/** An execution that waits for its release; in shadow mode one that would. */
export interface Waiting {
  readonly id: string;
  readonly queryId: string;
  readonly process: Process;
  readonly shadow: boolean;
  /** Monotonic ms. */
  readonly arrivedAt: number;
  readonly arrivedTick: number;
  /** It is released when this tick begins. */
  tick: number;
  /** The last tick that its application lets it wait for. */
  readonly latestTick: number;
  placed: boolean;
  /** In shadow mode, when it has ended before it would have begun. */
  durationMs?: number;
}

/** What waits, by id and by tick. */
export class WaitingRoom {
  readonly #byId = new Map<string, Waiting>();
  readonly #byTick = new Map<number, Set<Waiting>>();

  get size(): number {
    return this.#byId.size;
  }

  get all(): Iterable<Waiting> {
    return this.#byId.values();
  }

  find(id: string): Waiting | undefined {
    return this.#byId.get(id);
  }

  add(waiting: Waiting): void {
    this.#byId.set(waiting.id, waiting);
    this.#dueIn(waiting.tick).add(waiting);
  }

  remove(waiting: Waiting): void {
    this.#byId.delete(waiting.id);
    const due = this.#byTick.get(waiting.tick);
    due?.delete(waiting);
    if (due?.size === 0) this.#byTick.delete(waiting.tick);
  }

  /** Sets the tick as near to the wished one as `earliest` and what its application allows. */
  place(id: string, wished: number, earliest: number): PlaceResponse["results"][number] {
    const waiting = this.#byId.get(id);
    if (!waiting) return { id, outcome: "gone" };
    this.remove(waiting);
    waiting.tick = Math.min(Math.max(wished, earliest), Math.max(waiting.latestTick, earliest));
    waiting.placed = true;
    this.add(waiting);
    return { id, outcome: "placed", tick: waiting.tick };
  }

  /** Takes out what is due by `tick`. */
  takeDue(tick: number): Waiting[] {
    const due = [...this.#byTick].filter(([of]) => of <= tick).flatMap(([, set]) => [...set]);
    for (const waiting of due) this.remove(waiting);
    return due;
  }

  #dueIn(tick: number): Set<Waiting> {
    const known = this.#byTick.get(tick);
    if (known) return known;
    const due = new Set<Waiting>();
    this.#byTick.set(tick, due);
    return due;
  }
}
