import type { Triple } from "../types.ts";

/** So many of the latest arrivals tell how often each query comes. */
const remembered = 1500;
/** Queries that `save` keeps. */
const mostSaved = 100;

/** One query's executions as they come: their cost, and how often, per tick. */
export interface Stream {
  readonly queryId: string;
  readonly cost: Triple;
  readonly rate: number;
}

/** What arrives, learned from the latest arrivals. */
export class Traffic {
  #recent: string[] = [];
  #at = 0;
  #ticks = 0;
  readonly #counts = new Map<string, number>();
  /** Arrivals per tick, over the last 400 ticks or so. */
  rate = 0;

  /** @param saved what `save` gave; anything else is left out */
  constructor(saved: unknown) {
    if (!isSaved(saved)) return;
    this.rate = saved.rate;
    this.#ticks = 100;
    for (const [queryId, count] of saved.counts) for (let i = 0; i < count; i++) this.#remember(queryId);
  }

  observe(queryIds: readonly string[]): void {
    this.rate += (queryIds.length - this.rate) * Math.max(1 / 400, 1 / ++this.#ticks);
    for (const queryId of queryIds) this.#remember(queryId);
  }

  streams(costOf: (queryId: string) => Triple): Stream[] {
    const each = this.rate / Math.max(1, this.#recent.length);
    return Array.from(this.#counts, ([queryId, count]) => ({ queryId, cost: costOf(queryId), rate: count * each }));
  }

  save(): { rate: number; counts: [string, number][] } {
    const counts = Array.from(this.#counts).sort(([, a], [, b]) => b - a);
    return { rate: this.rate, counts: counts.slice(0, mostSaved) };
  }

  #remember(queryId: string): void {
    const old = this.#recent[this.#at];
    if (old !== undefined) {
      const left = (this.#counts.get(old) ?? 0) - 1;
      if (left > 0) this.#counts.set(old, left);
      else this.#counts.delete(old);
    }
    this.#recent[this.#at] = queryId;
    this.#at = (this.#at + 1) % remembered;
    this.#counts.set(queryId, (this.#counts.get(queryId) ?? 0) + 1);
  }
}

function isSaved(value: unknown): value is { rate: number; counts: [string, number][] } {
  if (typeof value !== "object" || value === null || !("rate" in value) || !("counts" in value)) return false;
  const { rate, counts } = value;
  return (
    typeof rate === "number" &&
    rate >= 0 &&
    Number.isFinite(rate) &&
    Array.isArray(counts) &&
    counts.length <= mostSaved &&
    counts.every(
      (entry) =>
        Array.isArray(entry) &&
        typeof entry[0] === "string" &&
        Number.isInteger(entry[1]) &&
        entry[1] > 0 &&
        entry[1] <= remembered,
    )
  );
}
