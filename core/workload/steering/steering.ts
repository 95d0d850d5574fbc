import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type {
  Clockwork,
  CostEstimate,
  Knobs,
  Placement,
  Steering,
  SteeringApi,
  SteeringStatus,
  TickObservation,
  Waiting,
} from "../types.ts";
import { CostBook } from "./cost-book.ts";
import { type Item, itemOf } from "./item.ts";
import { checkKnobs } from "./knobs.ts";
import { Parking } from "./parking.ts";
import { WindowPhase } from "./window-phase.ts";
import { WindowPlanner } from "./window-planner.ts";

export { defaultKnobs, KnobsError } from "./knobs.ts";

export interface SteeringOptions {
  readonly clockwork: Clockwork;
  readonly knobs: Knobs;
  readonly api: SteeringApi;
  readonly seed: number;
  /** What `save` gave, however old or foreign: what cannot be used is left out. */
  readonly saved?: unknown;
}

/** How many times the latency budget an execution may wait at most. */
const longestBudgets = 2.8;

/** @throws KnobsError */
export function createSteering(options: SteeringOptions): Steering {
  return new WindowSteering(options);
}

class WindowSteering implements Steering {
  readonly #clockwork: Clockwork;
  readonly #api: SteeringApi;
  readonly #planner: WindowPlanner;
  readonly #phase: WindowPhase;
  readonly #costs = new CostBook();
  readonly #parking = new Parking();
  readonly #items = new Map<string, Item>();
  #knobs: Knobs;
  #tick = -1;
  /** Usages of the current window's ticks so far, as believed: flat, three a tick. */
  #realised: number[] = [];
  /** Arrivals per tick, and usage per tick, over about a minute. */
  #arrivalRate = 0;
  readonly #usage: [number, number, number] = [0, 0, 0];

  constructor({ clockwork, knobs, api, seed, saved }: SteeringOptions) {
    this.#clockwork = clockwork;
    this.#knobs = checkKnobs(knobs);
    this.#api = api;
    this.#planner = new WindowPlanner(xoroshiro128plus(seed));
    this.#phase = new WindowPhase(clockwork.windowTicks);
    if (typeof saved === "object" && saved !== null && "arrivalRate" in saved && typeof saved.arrivalRate === "number")
      this.#arrivalRate = saved.arrivalRate;
  }

  resume(tick: number, waiting: readonly Waiting[]): void {
    this.#tick = tick;
    this.#realised = [];
    this.#items.clear();
    this.#parking.clear();
    for (const entry of waiting) this.#add(entry);
  }

  observe(observation: TickObservation): void {
    const { tick, executed, arrived, window } = observation;
    this.#tick = tick;
    if (this.#phase.positionOf(tick) === 0) this.#realised = [];
    const usage: [number, number, number] = [0, 0, 0];
    for (const { id, queryId } of executed) {
      const item = this.#items.get(id);
      if (item) this.#parking.remove(item);
      this.#items.delete(id);
      const cost = this.#costs.costOf(queryId);
      for (const r of [0, 1, 2] as const) usage[r] += cost[r];
    }
    this.#realised.push(...usage);
    for (const entry of arrived) this.#add(entry);
    this.#costs.observe(observation);
    if (window && window.bounds === "exact") this.#phase.closed(tick);
    const weight = Math.max(0.002, 1 / (tick + 2));
    this.#arrivalRate += (arrived.length - this.#arrivalRate) * weight;
    for (const r of [0, 1, 2] as const) this.#usage[r] += (usage[r] - this.#usage[r]) * weight;
  }

  plan(elapsedMs: () => number): readonly Placement[] {
    const next = this.#tick + 1;
    const doubt = this.#costs.doubt(this.#knobs.bandWidth);
    const waiting = Array.from(this.#items.values()).filter(({ earliest }) => earliest <= next);
    const running = new Set(
      doubt === null
        ? this.#planner.next({
            items: waiting,
            next,
            position: this.#phase.positionOf(next),
            windowTicks: this.#clockwork.windowTicks,
            realised: this.#realised,
            arrivalRate: this.#arrivalRate,
            budgetTicks: (this.#knobs.latencyP95Seconds * 1000) / this.#clockwork.tickMs,
            bandWidth: this.#knobs.bandWidth,
            inTime: () => elapsedMs() < this.#knobs.timeBudgetMs,
          })
        : waiting,
    );
    return this.#api === "place" ? this.#placeAll(next, running) : this.#postpone(next, running);
  }

  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void {
    for (const { id, tick } of results) {
      const item = this.#items.get(id);
      if (!item) continue;
      if (tick !== undefined) this.#move(item, tick);
      else {
        this.#parking.remove(item);
        this.#items.delete(id);
      }
    }
  }

  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    this.#costs.set(costs, prior);
    for (const item of this.#items.values()) {
      this.#parking.remove(item);
      item.cost = this.#costs.costOf(item.queryId);
      this.#parking.add(item);
    }
  }

  setKnobs(knobs: Knobs): void {
    this.#knobs = checkKnobs(knobs);
  }

  save(): unknown {
    return { arrivalRate: this.#arrivalRate };
  }

  status(): SteeringStatus {
    const doubt = this.#costs.doubt(this.#knobs.bandWidth);
    return { mode: doubt === null ? "steering" : "learning", backlog: this.#items.size, advice: doubt };
  }

  #add(waiting: Waiting): void {
    const { tickMs, defaultDelayTicks } = this.#clockwork;
    const deadline = this.#knobs.deadlineSeconds[waiting.queryId] ?? Number.POSITIVE_INFINITY;
    const seconds = Math.min(deadline, longestBudgets * this.#knobs.latencyP95Seconds);
    const item = itemOf(
      waiting,
      defaultDelayTicks,
      Math.floor((seconds * 1000) / tickMs),
      this.#costs.costOf(waiting.queryId),
    );
    this.#items.set(item.id, item);
    this.#parking.add(item);
  }

  #move(item: Item, tick: number): void {
    this.#parking.remove(item);
    item.tick = tick;
    this.#parking.add(item);
  }

  /** What runs next is placed there; what waits is parked level over the ticks after it. */
  #placeAll(next: number, running: ReadonlySet<Item>): Placement[] {
    const capacity = this.#usage.map((usage) => 1.2 * usage);
    const placements: Placement[] = [];
    for (const item of this.#items.values()) {
      const runs = running.has(item);
      if (runs ? item.tick === next : item.tick > next) continue;
      this.#move(item, runs ? next : this.#parking.place(item, Math.max(next + 1, item.earliest), capacity));
      placements.push({ id: item.id, tick: item.tick });
    }
    return placements;
  }

  /** Without placement nothing can be pulled forward: what waits is put off by one tick, again and again. */
  #postpone(next: number, running: ReadonlySet<Item>): Placement[] {
    const placements: Placement[] = [];
    for (const item of this.#items.values()) {
      if (running.has(item) || item.tick > next) continue;
      this.#move(item, next + 1);
      placements.push({ id: item.id, tick: item.tick });
    }
    return placements;
  }
}
