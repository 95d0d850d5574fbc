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
import { Patience } from "./patience.ts";
import { Placing } from "./placing.ts";
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
  readonly #placing = new Placing();
  /** In order of arrival. */
  readonly #items = new Map<string, Item>();
  #knobs: Knobs;
  #tick = -1;
  /** Usages of the current window's ticks so far, as believed. */
  #realised: number[][] = [];
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
    this.#placing.clear(tick + 1);
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
    this.#placing.ran(tick + 1, this.#costs.known ? usage : undefined);
    this.#realised.push(usage);
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
      return this.#placing.letGo(new Set(this.#forced(items, next)), this.#api);
    }
    const { rate } = this.#traffic;
    const { windowTicks } = this.#clockwork;
    const budgetTicks = this.#patience.next(this.#budgetTicks() * this.#outcome.aim(rate), rate, windowTicks);
    const group = this.#planner.next({
      items,
      backlog: this.#items.size,
      next,
      position,
      windowTicks,
      realised: this.#realised,
      arrivalRate: rate,
      streams: this.#streams,
      budgetTicks,
      dueTicks: budgetTicks * this.#patience.haste(rate),
      credit: this.#outcome.credit,
      overdrawn: this.#outcome.overdrawn,
      bandWidth: this.#knobs.bandWidth,
      inTime: () => elapsedMs() < this.#knobs.timeBudgetMs,
    });
    const running = new Set([...group, ...this.#forced(items, next)]);
    if (this.#api === "place") return this.#placing.place(running);
    return this.#placing.postpone(running, {
      wanted: this.#planner.wanted,
      nextWindow: next - position + windowTicks,
      burst: this.#knobs.burst,
      arrivalRate: rate,
    });
  }

  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void {
    for (const { id, tick } of results) {
      const item = this.#items.get(id);
      if (item && tick !== undefined) this.#placing.move(item, tick);
      else this.#forget(id);
    }
  }

  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    this.#costs.set(costs, prior);
    this.#placing.reprice(this.#items.values(), (queryId) => this.#costs.costOf(queryId));
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
    this.#placing.move(item, waiting.tick);
  }

  #forget(id: string): void {
    const item = this.#items.get(id);
    if (!item) return;
    this.#placing.remove(item);
    this.#items.delete(id);
  }
}
