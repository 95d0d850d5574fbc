import type { Item } from "./item.ts";

/**
 * Keeps held executions spread over the ticks to come, so that they run level by themselves when the scheduler dies:
 * a tick takes parked ones up to `capacity` in each resource (one always fits), the earliest such tick first.
 */
export class Parking {
  readonly #load = new Map<number, { count: number; sum: [number, number, number] }>();

  /** Notes that the server has `item` at its tick. */
  add(item: Item): void {
    const slot = this.#load.get(item.tick) ?? { count: 0, sum: [0, 0, 0] };
    slot.count++;
    for (const r of [0, 1, 2] as const) slot.sum[r] += item.cost[r];
    this.#load.set(item.tick, slot);
  }

  remove(item: Item): void {
    const slot = this.#load.get(item.tick);
    if (!slot) return;
    slot.count--;
    for (const r of [0, 1, 2] as const) slot.sum[r] -= item.cost[r];
    if (slot.count <= 0) this.#load.delete(item.tick);
  }

  /** The earliest tick from `from` on with room for the item. */
  place(item: Item, from: number, capacity: readonly number[]): number {
    for (let tick = from; ; tick++) {
      const slot = this.#load.get(tick);
      if (!slot) return tick;
      if ([0, 1, 2].every((r) => (slot.sum[r] ?? 0) + (item.cost[r] ?? 0) <= (capacity[r] ?? 0))) return tick;
    }
  }

  clear(): void {
    this.#load.clear();
  }
}
