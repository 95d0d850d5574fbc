import type { Placement, SteeringApi } from "../types.ts";
import type { Item } from "./item.ts";
import { MeanTick } from "./mean-tick.ts";
import { Parking } from "./parking.ts";

/** Parked executions add at most so many mean ticks to a tick to come (ADR 202)... */
const parkedMeanTicks = 1.0;
/** ...and are spread anew where renewed costs or a falling load have made it more than so many. */
const mostParkedMeanTicks = 1.15;
/** Ticks between two looks for that. */
const looksEvery = 10;
/** Without placement and with so many arrivals a tick, about so many are put off in a tick, the others by some ticks. */
const manyArrivals = 5;
const mostPutOff = 15;

/**
 * Where the server has each execution, and what is to be posted so that the chosen run next while the others wait without
 * falling due together.
 */
export class Placing {
  readonly #parking = new Parking();
  readonly #mean = new MeanTick();
  #next = 0;
  #looksAt = 0;

  /** Tick `next - 1` ran and used this much, if that is known; what should have run by then runs next. */
  ran(next: number, usage: readonly number[] | undefined): void {
    this.#next = next;
    if (usage) this.#mean.observe(usage);
    for (const item of this.#parking.at(next - 1)) this.move(item, next);
  }

  /** Forgets all; the next tick is `next`. */
  clear(next: number): void {
    this.#next = next;
    this.#parking.clear();
  }

  remove(item: Item): void {
    this.#parking.remove(item);
  }

  /** Notes that the server has `item` at `tick`, or at the next tick if that is past. */
  move(item: Item, tick: number): void {
    this.#parking.remove(item);
    item.tick = Math.max(tick, this.#next);
    this.#parking.add(item);
  }

  /** Takes all costs anew. */
  reprice(items: Iterable<Item>, costOf: (queryId: string) => Item["cost"]): void {
    this.#parking.clear();
    for (const item of items) {
      item.cost = costOf(item.queryId);
      this.#parking.add(item);
    }
    this.#looksAt = this.#next;
  }

  /** What runs next is placed there; what waits is parked level over the ticks after it. */
  place(running: ReadonlySet<Item>): Placement[] {
    const capacity = this.#mean.times(parkedMeanTicks);
    const placements = this.#runNext(running);
    let free = this.#next + 1;
    for (const item of this.#parking.at(this.#next)) {
      if (running.has(item)) continue;
      free = this.#parking.find(item, Math.max(free, item.earliest), capacity);
      placements.push(this.#put(item, free));
    }
    return [...placements, ...this.#spread(capacity)];
  }

  /**
   * Without placement nothing can be pulled forward: what the window may still need is put off to the next tick, the rest
   * to the next window, and each on to where no more than `burst` mean ticks fall due.
   * @param wanted what the window may still need; undefined: anything
   */
  postpone(
    running: ReadonlySet<Item>,
    plan: {
      readonly wanted: ReadonlySet<Item> | undefined;
      readonly nextWindow: number;
      readonly burst: number;
      readonly arrivalRate: number;
    },
  ): Placement[] {
    const { wanted, nextWindow, arrivalRate } = plan;
    const capacity = this.#mean.times(plan.burst);
    const held = this.#parking.at(this.#next).filter((item) => !running.has(item));
    const isWanted = (item: Item) => wanted === undefined || wanted.has(item);
    const soon = held.filter(isWanted);
    const later = held.filter((item) => !isWanted(item));
    const stagger = arrivalRate < manyArrivals ? 1 : Math.ceil(soon.length / mostPutOff);
    return [
      ...soon.map((item, at) => this.#putOff(item, this.#next + 1 + (at % stagger), capacity)),
      ...later.map((item) => this.#putOff(item, nextWindow, capacity)),
    ];
  }

  /** Nothing is held any longer: what is not `forced` runs off in parked work's measure; what was not held is left alone. */
  letGo(forced: ReadonlySet<Item>, api: SteeringApi): Placement[] {
    const capacity = this.#mean.times(parkedMeanTicks);
    const next = this.#next;
    const running = new Parking();
    const tooMany = this.#parking.at(next).filter((item) => {
      if (item.earliest >= next || forced.has(item)) return false;
      if (running.find(item, next, capacity) > next) return true;
      running.add(item);
      return false;
    });
    if (api === "delay") return tooMany.map((item) => this.#putOff(item, next + 1, capacity));
    const parked = tooMany.map((item) => this.#put(item, this.#parking.find(item, next + 1, capacity)));
    return [...this.#runNext(forced), ...parked];
  }

  #runNext(items: Iterable<Item>): Placement[] {
    const placements: Placement[] = [];
    for (const item of items) if (item.tick !== this.#next) placements.push(this.#put(item, this.#next));
    return placements;
  }

  /** Moves what exceeds the most that may be parked in a tick to where there is room. */
  #spread(capacity: readonly number[]): Placement[] {
    if (this.#next < this.#looksAt) return [];
    this.#looksAt = this.#next + looksEvery;
    return this.#parking
      .excess(this.#next + 1, this.#mean.times(mostParkedMeanTicks))
      .map((item) => this.#put(item, this.#parking.find(item, Math.max(this.#next + 1, item.earliest), capacity)));
  }

  #put(item: Item, tick: number): Placement {
    this.move(item, tick);
    return { id: item.id, tick: item.tick };
  }

  /** To the first tick from `from` on with room, and not beyond the longest that it may wait. */
  #putOff(item: Item, from: number, capacity: readonly number[]): Placement {
    const latest = item.latest > this.#next ? item.latest : undefined;
    return this.#put(item, this.#parking.find(item, Math.min(from, latest ?? from), capacity, latest));
  }
}
