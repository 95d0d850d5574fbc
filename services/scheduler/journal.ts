import type { Placement } from "../../core/workload/types.ts";
import type { Explanation } from "../../platform/scheduler-status.ts";
import type { HelloEvent, PlaceResponse, TickEvent } from "../../platform/wire.ts";

interface Entry {
  readonly queryId: string;
  readonly arrivedTick: number;
  /** Unix ms. */
  readonly arrivedAt: number;
  plannedAt?: number;
  placedTick?: number;
  /** Why it was last moved, or why it was not. */
  why: "chosen" | "held" | "released" | "untouched";
  executed?: { readonly tick: number; readonly at: number; readonly together: readonly string[] };
}

const keptMs = 5 * 60_000;
const mostKept = 20_000;

/** Remembers for some minutes what became of each execution, so that a person can ask why it waited. */
export class Journal {
  /** In order of arrival. */
  readonly #entries = new Map<string, Entry>();

  begin({ tick, tickMs, queue }: HelloEvent, now: number): void {
    for (const { id, queryId, arrivedTick } of queue) {
      if (!this.#entries.has(id)) this.#add(id, queryId, arrivedTick, now - (tick - arrivedTick) * tickMs);
    }
  }

  tick({ tick, at, executed, arrived }: TickEvent): void {
    const together = executed.map(({ id }) => id);
    for (const { id } of executed) {
      const entry = this.#entries.get(id);
      if (entry) entry.executed = { tick, at, together };
    }
    for (const { id, queryId, arrivedTick } of arrived) this.#add(id, queryId, arrivedTick, at);
    for (const [id, { arrivedAt }] of this.#entries) {
      if (arrivedAt >= at - keptMs && this.#entries.size <= mostKept) break;
      this.#entries.delete(id);
    }
  }

  /** @param next the tick that was planned; `steering`: whether executions are held at all */
  planned(placements: readonly Placement[], next: number, steering: boolean, now: number): void {
    for (const { id, tick } of placements) {
      const entry = this.#entries.get(id);
      if (!entry) continue;
      entry.plannedAt = now;
      entry.placedTick = tick;
      if (!steering) entry.why = "released";
      else entry.why = tick === next ? "chosen" : "held";
    }
  }

  answered({ results }: PlaceResponse): void {
    for (const { id, tick } of results) {
      const entry = this.#entries.get(id);
      if (entry && tick !== undefined) entry.placedTick = tick;
    }
  }

  /** Undefined for what was not seen within the last minutes. */
  explain(executionId: string): Explanation | undefined {
    const entry = this.#entries.get(executionId);
    if (!entry) return undefined;
    const { queryId, arrivedTick, arrivedAt, plannedAt, placedTick, executed } = entry;
    const matchedWith = (executed?.together ?? this.#placedIn(placedTick)).filter((id) => id !== executionId);
    return {
      executionId,
      queryId,
      arrivedAt,
      arrivedTick,
      plannedAt: plannedAt ?? null,
      placedTick: placedTick ?? null,
      reason: reasonOf(entry, matchedWith.length),
      matchedWith,
      executedAt: executed?.at ?? null,
      executedTick: executed?.tick ?? null,
    };
  }

  #add(id: string, queryId: string, arrivedTick: number, arrivedAt: number): void {
    this.#entries.set(id, { queryId, arrivedTick, arrivedAt, why: "untouched" });
  }

  #placedIn(tick: number | undefined): string[] {
    if (tick === undefined) return [];
    return Array.from(this.#entries)
      .filter(([, { placedTick, executed }]) => placedTick === tick && !executed)
      .map(([id]) => id);
  }
}

function reasonOf({ arrivedTick, executed, why }: Entry, others: number): string {
  if (!executed) {
    if (why === "untouched") return "not placed yet: it runs after its default delay unless it is placed";
    if (why === "chosen") return `chosen for the next tick, with ${others} others`;
    return why === "held"
      ? "held until others make a level tick with it"
      : "no longer held: it runs off with the backlog";
  }
  const waited = `after ${executed.tick - arrivedTick} ticks`;
  const company = others === 0 ? "alone" : `with ${others} others`;
  switch (why) {
    case "untouched":
      return `ran ${waited} where the server had it: the scheduler did not move it`;
    case "chosen":
      return `ran ${waited}, chosen to make a level tick ${company}`;
    case "held":
      return `ran ${waited} where it was held, ${company}`;
    case "released":
      return `ran ${waited}, released with the backlog while nothing was steered`;
  }
}
