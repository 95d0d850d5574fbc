import type { Item } from "./item.ts";

interface Slot {
  readonly items: Set<Item>;
  readonly sum: [number, number, number];
}

/**
 * Keeps held executions spread over the ticks to come, so that they run level by themselves when the scheduler dies:
 * a tick takes parked ones up to a capacity in each resource (one always fits).
 */
export class Parking {
  readonly #slots = new Map<number, Slot>();

  /** Notes that the server has `item` at its tick. */
  add(item: Item): void {
    let slot = this.#slots.get(item.tick);
    if (!slot) {
      slot = { items: new Set(), sum: [0, 0, 0] };
      this.#slots.set(item.tick, slot);
    }
    slot.items.add(item);
    for (const r of [0, 1, 2] as const) slot.sum[r] += item.cost[r];
  }

  remove(item: Item): void {
    const slot = this.#slots.get(item.tick);
    if (!slot?.items.delete(item)) return;
    for (const r of [0, 1, 2] as const) slot.sum[r] -= item.cost[r];
    if (slot.items.size === 0) this.#slots.delete(item.tick);
  }

  /** The earliest tick from `from` on with room for the item; where there is none until `latest`, the emptiest. */
  find(item: Item, from: number, capacity: readonly number[], latest = Number.POSITIVE_INFINITY): number {
    let tick = from;
    let emptiest = from;
    while (!this.#fits(item, tick, capacity)) {
      if (this.#load(tick, capacity) < this.#load(emptiest, capacity)) emptiest = tick;
      if (++tick > latest) return emptiest;
    }
    return tick;
  }

  /** What is too much in each tick from `from` on, the latest added first: without it each fits, or holds one. */
  excess(from: number, capacity: readonly number[]): Item[] {
    const excess: Item[] = [];
    for (const [tick, { items, sum }] of this.#slots) {
      if (tick < from || items.size < 2 || sum.every((used, r) => used <= (capacity[r] ?? 0))) continue;
      const left = [...sum];
      for (const item of Array.from(items).reverse().slice(0, -1)) {
        if (left.every((used, r) => used <= (capacity[r] ?? 0))) break;
        for (const r of [0, 1, 2] as const) left[r] = (left[r] ?? 0) - item.cost[r];
        excess.push(item);
      }
    }
    return excess;
  }

  /** What the server has at `tick`. */
  at(tick: number): readonly Item[] {
    return Array.from(this.#slots.get(tick)?.items ?? []);
  }

  clear(): void {
    this.#slots.clear();
  }

  #load(tick: number, capacity: readonly number[]): number {
    const sum = this.#slots.get(tick)?.sum ?? [0, 0, 0];
    return Math.max(...sum.map((used, r) => used / Math.max(1e-9, capacity[r] ?? 0)));
  }

  #fits({ cost }: Item, tick: number, capacity: readonly number[]): boolean {
    const slot = this.#slots.get(tick);
    return !slot || ([0, 1, 2] as const).every((r) => slot.sum[r] + cost[r] <= (capacity[r] ?? 0));
  }
}
