import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { isInBand } from "../measures.ts";
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
import { Outcome } from "./outcome.ts";
import { Parking } from "./parking.ts";
import { Patience } from "./patience.ts";
import { longestBudgets } from "./problem.ts";
import { type Stream, Traffic } from "./traffic.ts";
import { Trial } from "./trial.ts";
import { WindowPhase } from "./window-phase.ts";
import { WindowPlanner } from "./window-planner.ts";

export interface SteeringOptions {
  readonly clockwork: Clockwork;
  readonly knobs: Knobs;
  readonly api: SteeringApi;
  readonly seed: number;
  /** What `save` gave, however old or foreign: what cannot be used is left out. */
  readonly saved?: unknown;
}

/** Planning looks at so many of the oldest. */
const mostConsidered = 2000;
/** Parked executions add at most so many mean ticks to a tick to come; of the season's mean, a third more at its height. */
const parkedMeanTicks = 1.1;

/** Without placement and with so many arrivals a tick, about so many are put off in a tick, the others by some ticks. */
const manyArrivals = 5;
const mostPutOff = 15;

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
  readonly #traffic: Traffic;
  readonly #outcome = new Outcome();
  readonly #trial = new Trial();
  readonly #patience = new Patience();
  /** Whether what waits is planned for; if not, it is let go. */
  #holds = false;
  /** Whether each tick of the current window was planned. */
  #steered = false;
  readonly #parking = new Parking();
  /** In order of arrival. */
  readonly #items = new Map<string, Item>();
  #knobs: Knobs;
  #tick = -1;
  /** Usages of the current window's ticks so far, as believed, and the mean over about a minute. */
  #realised: number[][] = [];
  readonly #usage: [number, number, number] = [0, 0, 0];
  #usageTicks = 0;
  #streams: readonly Stream[] = [];

  constructor({ clockwork, knobs, api, seed, saved }: SteeringOptions) {
    this.#clockwork = clockwork;
    this.#knobs = checkKnobs(knobs);
    this.#api = api;
    this.#planner = new WindowPlanner(xoroshiro128plus(seed));
    this.#phase = new WindowPhase(clockwork.windowTicks);
    this.#traffic = new Traffic(saved);
  }

  resume(tick: number, waiting: readonly Waiting[]): void {
    this.#tick = tick;
    this.#realised = [];
    this.#steered = false;
    this.#items.clear();
    this.#parking.clear();
    for (const entry of waiting.toSorted((a, b) => a.arrivedTick - b.arrivedTick)) this.#add(entry);
    this.#rest();
  }

  observe(observation: TickObservation): void {
    const { tick, executed, arrived, window } = observation;
    this.#tick = tick;
    this.#outcome.observe(observation, this.#items.size, this.#budgetTicks(), this.#knobs.bandWidth);
    const usage: [number, number, number] = [0, 0, 0];
    for (const { id, queryId } of executed) {
      this.#forget(id);
      const cost = this.#costs.costOf(queryId);
      for (const r of [0, 1, 2] as const) usage[r] += cost[r];
    }
    for (const item of this.#parking.at(tick)) this.#move(item, tick);
    this.#realised.push(usage);
    const weight = Math.max(0.002, 1 / ++this.#usageTicks);
    for (const r of [0, 1, 2] as const) this.#usage[r] += (usage[r] - this.#usage[r]) * weight;
    for (const entry of arrived) this.#add(entry);
    this.#traffic.observe(arrived.map(({ queryId }) => queryId));
    const believed = this.#costs.observe(observation, this.#knobs.bandWidth);
    if (!window) return;
    this.#phase.closed(tick);
    if (this.#steered && believed !== undefined) this.#patience.observe(believed);
    this.#trial.observe(this.#steered, believed ?? false, isInBand(window.metrics, this.#knobs.bandWidth));
    this.#steered = true;
  }

  plan(elapsedMs: () => number): readonly Placement[] {
    const next = this.#tick + 1;
    const position = this.#phase.positionOf(next);
    if (position === 0) {
      this.#realised = [];
      this.#streams = this.#traffic.streams((queryId) => this.#costs.costOf(queryId));
      this.#costs.judge(this.#streams, this.#traffic.rate);
    }
    const items = this.#oldest(next);
    const wanted = this.#knobs.enabled && this.#doubt() === null;
    // Begun within a window, holding would leave the rest of it empty.
    this.#holds = wanted && (this.#holds || position === 0);
    if (!this.#holds) {
      this.#steered = false;
      this.#rest();
      return this.#letGo(items, next);
    }
    const { rate } = this.#traffic;
    const { windowTicks } = this.#clockwork;
    const group = this.#planner.next({
      items,
      backlog: this.#items.size,
      next,
      position,
      windowTicks,
      realised: this.#realised,
      arrivalRate: rate,
      streams: this.#streams,
      budgetTicks: this.#patience.next(this.#budgetTicks() * this.#outcome.aim(rate), rate, windowTicks),
      worthShowing: (queryId) => this.#costs.worthShowing(queryId),
      credit: this.#outcome.credit,
      overdrawn: this.#outcome.overdrawn,
      bandWidth: this.#knobs.bandWidth,
      inTime: () => elapsedMs() < this.#knobs.timeBudgetMs,
    });
    const running = new Set([...group, ...this.#forced(items, next)]);
    return this.#api === "place" ? this.#placeAll(next, running) : this.#postpone(next, running);
  }

  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void {
    for (const { id, tick } of results) {
      const item = this.#items.get(id);
      if (item && tick !== undefined) this.#move(item, tick);
      else this.#forget(id);
    }
  }

  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    this.#costs.set(costs, prior);
    this.#parking.clear();
    for (const item of this.#items.values()) {
      item.cost = this.#costs.costOf(item.queryId);
      this.#parking.add(item);
    }
  }

  /** @throws KnobsError */
  setKnobs(knobs: Knobs): void {
    this.#knobs = checkKnobs(knobs);
    for (const item of this.#items.values())
      item.latest = Math.max(item.earliest, item.arrivedTick + this.#longestTicks(item.queryId));
  }

  save(): unknown {
    return this.#traffic.save();
  }

  status(): SteeringStatus {
    if (!this.#knobs.enabled) return { mode: "off", backlog: this.#items.size, advice: null };
    const doubt = this.#doubt();
    const advice = doubt ?? this.#outcome.advice(this.#knobs.latencyP95Seconds);
    return { mode: doubt === null ? "steering" : "learning", backlog: this.#items.size, advice };
  }

  #doubt(): string | null {
    return this.#costs.doubt(this.#knobs.bandWidth) ?? this.#trial.failure;
  }

  #rest(): void {
    const [oldest] = this.#items.values();
    this.#patience.rest(oldest ? this.#tick - oldest.arrivedTick : 0, this.#clockwork.windowTicks);
  }

  #budgetTicks(): number {
    return (this.#knobs.latencyP95Seconds * 1000) / this.#clockwork.tickMs;
  }

  #longestTicks(queryId: string): number {
    const { deadlineSeconds, latencyP95Seconds } = this.#knobs;
    const own = Object.hasOwn(deadlineSeconds, queryId) ? deadlineSeconds[queryId] : undefined;
    const seconds = Math.min(own ?? Number.POSITIVE_INFINITY, longestBudgets * latencyP95Seconds);
    return Math.floor((seconds * 1000) / this.#clockwork.tickMs);
  }

  /** What may run in tick `next`; without placement that is only what is due then. */
  #oldest(next: number): Item[] {
    const oldest: Item[] = [];
    for (const item of this.#items.values()) {
      if (item.earliest <= next && (this.#api === "place" || item.tick <= next)) oldest.push(item);
      if (oldest.length === mostConsidered) break;
    }
    return oldest;
  }

  /** What must not wait any longer: all that a deadline of its query presses, of the rest as many as arrive in a tick. */
  #forced(items: readonly Item[], next: number): Item[] {
    let most = Math.max(1, Math.ceil(this.#traffic.rate));
    return items.filter(
      ({ latest, queryId }) => latest <= next && (Object.hasOwn(this.#knobs.deadlineSeconds, queryId) || most-- > 0),
    );
  }

  #add(waiting: Waiting): void {
    const { queryId } = waiting;
    const longest = this.#longestTicks(queryId);
    const item = itemOf(waiting, this.#clockwork.defaultDelayTicks, longest, this.#costs.costOf(queryId));
    this.#items.set(item.id, item);
    this.#move(item, waiting.tick);
  }

  #forget(id: string): void {
    const item = this.#items.get(id);
    if (!item) return;
    this.#parking.remove(item);
    this.#items.delete(id);
  }

  /** What should have run by now runs next unless it is moved. */
  #move(item: Item, tick: number): void {
    this.#parking.remove(item);
    item.tick = Math.max(tick, this.#tick + 1);
    this.#parking.add(item);
  }

  /** What runs next is placed there; what waits is parked level over the ticks after it. */
  #placeAll(next: number, running: ReadonlySet<Item>): Placement[] {
    const capacity = this.#meanTicks(parkedMeanTicks);
    const placements = this.#runNext(running, next);
    let free = next + 1;
    for (const item of this.#parking.at(next)) {
      if (running.has(item)) continue;
      free = this.#parking.find(item, Math.max(free, item.earliest), capacity);
      this.#move(item, free);
      placements.push({ id: item.id, tick: free });
    }
    return placements;
  }

  /**
   * Without placement nothing can be pulled forward: what the window may still need is put off to the next tick, the rest
   * to the next window, and each on to where no more than the burst allowed falls due.
   */
  #postpone(next: number, running: ReadonlySet<Item>): Placement[] {
    const capacity = this.#meanTicks(this.#knobs.burst);
    const { wanted } = this.#planner;
    const held = this.#parking.at(next).filter((item) => !running.has(item));
    const isWanted = (item: Item) => wanted === undefined || wanted.has(item);
    const nextWindow = next - this.#phase.positionOf(next) + this.#clockwork.windowTicks;
    const soon = held.filter(isWanted);
    const stagger = this.#traffic.rate < manyArrivals ? 1 : Math.ceil(soon.length / mostPutOff);
    return [
      ...soon.flatMap((item, at) => this.#putOff([item], next + 1 + (at % stagger), capacity)),
      ...this.#putOff(
        held.filter((item) => !isWanted(item)),
        nextWindow,
        capacity,
      ),
    ];
  }

  /** Nothing is held any longer. What was held runs off in parked work's measure; what was not is left alone. */
  #letGo(items: readonly Item[], next: number): Placement[] {
    const capacity = this.#meanTicks(parkedMeanTicks);
    const forced = new Set(this.#forced(items, next));
    const running = new Parking();
    const tooMany = this.#parking.at(next).filter((item) => {
      if (item.earliest >= next || forced.has(item)) return false;
      if (running.find(item, next, capacity) > next) return true;
      running.add(item);
      return false;
    });
    return [
      ...(this.#api === "place" ? this.#runNext(forced, next) : []),
      ...this.#putOff(tooMany, next + 1, capacity),
    ];
  }

  #meanTicks(count: number): number[] {
    return this.#usage.map((usage) => count * usage);
  }

  #runNext(items: Iterable<Item>, next: number): Placement[] {
    const placements: Placement[] = [];
    for (const item of items) {
      if (item.tick === next) continue;
      this.#move(item, next);
      placements.push({ id: item.id, tick: next });
    }
    return placements;
  }

  /** Moves each to the first tick from `from` on with room, and not beyond the longest that it may wait. */
  #putOff(items: readonly Item[], from: number, capacity: readonly number[]): Placement[] {
    const next = this.#tick + 1;
    return items.map((item) => {
      const latest = item.latest > next ? item.latest : undefined;
      this.#move(item, this.#parking.find(item, Math.min(from, latest ?? from), capacity, latest));
      return { id: item.id, tick: item.tick };
    });
  }
}
