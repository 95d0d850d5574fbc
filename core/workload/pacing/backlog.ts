import type { Placement, Waiting } from "../types.ts";
import type { Item } from "./item.ts";
import type { Profile } from "./profiles.ts";

/** What is held is moved on when its tick comes so near. */
export const guardTicks = 4;
/** An irrational step spreads lots evenly. */
const golden = 0.618033988749895;

/** What waits, and what was told to start and has not been seen to. */
export class Backlog {
  readonly #items = new Map<string, Item>();
  /** Where what was told to start does so, as long as no tick has told it. */
  readonly #starting = new Map<string, number>();
  #number = 0;

  get size(): number {
    return this.#items.size;
  }

  get all(): Iterable<Item> {
    return this.#items.values();
  }

  find(id: string): Item | undefined {
    return this.#items.get(id);
  }

  clear(): void {
    this.#items.clear();
    this.#starting.clear();
  }

  /** @param longestTicks that it may wait, whatever the server allows */
  add({ id, queryId, arrivedTick, tick, latestTick }: Waiting, profile: Profile, longestTicks: number): Item {
    const latest = Math.min(latestTick ?? Number.POSITIVE_INFINITY, arrivedTick + Math.floor(longestTicks));
    const lot = (this.#number++ * golden) % 1;
    const item: Item = { id, queryId, arrivedTick, latest, tick, profile, lot };
    this.#items.set(id, item);
    return item;
  }

  forget(id: string): void {
    this.#starting.delete(id);
    this.#items.delete(id);
  }

  /** The tick that it was told to start in; undefined while it waits. */
  startOf(id: string): number | undefined {
    return this.#starting.get(id);
  }

  /** It is told to start in `tick`. Returns how the server hears of that, unless it has it there. */
  start(item: Item, tick: number): Placement[] {
    this.#starting.set(item.id, tick);
    const moved = item.tick !== tick;
    item.tick = tick;
    return moved ? [{ id: item.id, tick }] : [];
  }

  /** What waits and was not told to start, the oldest first. */
  get waiting(): Item[] {
    return [...this.#items.values()]
      .filter(({ id }) => !this.#starting.has(id))
      .sort((a, b) => a.arrivedTick - b.arrivedTick || a.lot - b.lot);
  }

  /** CPU ms a second (`windowTicks`) from tick `first` on by which all that waits starts by its due tick. */
  needed(dueOf: (item: Item) => number, first: number, windowTicks: number): number {
    let [work, needed] = [0, 0];
    const byDue = this.waiting.map((item) => ({ workMs: item.profile.workMs, due: dueOf(item) }));
    for (const { workMs, due } of byDue.sort((a, b) => a.due - b.due)) {
      work += workMs;
      needed = Math.max(needed, (work * windowTicks) / Math.max(windowTicks, due - first));
    }
    return needed;
  }

  /**
   * What else would start soon is moved on: to where its turn comes at this pace, should no one steer any more.
   * @param pace CPU ms a tick
   */
  hold(next: number, pace: number): Placement[] {
    const placements: Placement[] = [];
    let ahead = 0;
    for (const item of this.waiting) {
      ahead += item.profile.workMs;
      if (item.tick >= next + guardTicks) continue;
      const tick = Math.min(item.latest, next + guardTicks + Math.ceil(ahead / pace));
      if (tick === item.tick) continue;
      item.tick = tick;
      placements.push({ id: item.id, tick });
    }
    return placements;
  }
}
