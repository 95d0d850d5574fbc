import { isLevel } from "../measures.ts";
import { checkKnobs } from "../steering/knobs.ts";
import { Trial } from "../steering/trial.ts";
import { WindowPhase } from "../steering/window-phase.ts";
import type {
  Clockwork,
  CostEstimate,
  Knobs,
  Placement,
  Steering,
  SteeringStatus,
  TickObservation,
  Waiting,
} from "../types.ts";
import { Arrivals } from "./arrivals.ts";
import { Backlog, guardTicks } from "./backlog.ts";
import { fillSecond } from "./fill.ts";
import { type Floor, floorOf, promiseOf } from "./floor.ts";
import type { Item } from "./item.ts";
import { Level } from "./level.ts";
import { type Profile, profileOf } from "./profiles.ts";
import { Seconds } from "./seconds.ts";
import { Tally } from "./tally.ts";

export interface PacingOptions {
  readonly clockwork: Clockwork;
  readonly knobs: Knobs;
}

/** What waits is to have started within so many budgets on average load... */
const dueBudgets = 1.25;
/** ...and starts after so many in any case. */
const longestBudgets = 2;
/** Arrivals are averaged once they span so many. */
const knownBudgets = 0.8;
const meanGain = 1 / 60;
/** What has not come for so long sets no floor. */
const rememberedTicks = 6_000;

/** Steers a server whose executions last: brings each of its seconds (windows) to one level. See docs/pacing.md. */
export function createPacing(options: PacingOptions): Steering {
  return new PacingSteering(options);
}

class PacingSteering implements Steering {
  readonly #clockwork: Clockwork;
  readonly #phase: WindowPhase;
  readonly #seconds: Seconds;
  #level = new Level();
  #arrivals = new Arrivals();
  readonly #trial = new Trial();
  readonly #backlog = new Backlog();
  #costs: ReadonlyMap<string, CostEstimate> = new Map();
  #prior: Profile = { workMs: 1, durationMs: 1, sdMs: 1 };
  #knobs: Knobs;
  #tick = -1;
  readonly #tally = new Tally();
  /** When each query last arrived. */
  readonly #arrivedAt = new Map<string, number>();
  /** The second planned at present: its first tick, what it is to use, and what it is expected to. */
  #second = Number.NEGATIVE_INFINITY;
  #target = 0;
  #expected = 0;
  /** Of the latest seconds, in CPU ms. */
  #mean = 0;
  #closed = 0;

  constructor({ clockwork, knobs }: PacingOptions) {
    this.#clockwork = clockwork;
    this.#knobs = checkKnobs(knobs);
    this.#phase = new WindowPhase(clockwork.windowTicks);
    this.#seconds = new Seconds(clockwork);
  }

  resume(tick: number, waiting: readonly Waiting[]): void {
    this.#tick = tick;
    this.#backlog.clear();
    this.#seconds.clear(tick);
    for (const entry of waiting) this.#add(entry);
  }

  observe({ tick, executed, arrived, usage, ended = [], window }: TickObservation): void {
    this.#tick = tick;
    for (const { id, queryId, arrivedTick } of executed) {
      const planned = this.#backlog.startOf(id);
      const late = planned === undefined ? undefined : tick - planned;
      this.#tally.started(tick - arrivedTick, this.#budgetTicks(), late);
      const waited = this.#backlog.find(id);
      const profile = waited?.profile ?? this.#profileOf(queryId);
      this.#seconds.running.start(id, profile, tick);
      // What nobody holds never waits: it arrives as it starts.
      if (!waited) this.#arrivals.add(profile.workMs);
      this.#backlog.forget(id);
    }
    for (const { id, durationMs } of ended) this.#seconds.running.end(id, durationMs);
    for (const entry of arrived) {
      this.#arrivals.add(this.#add(entry).profile.workMs);
      this.#arrivedAt.set(entry.queryId, tick);
      this.#tally.arrived(this.#costs.has(entry.queryId));
    }
    this.#seconds.observe(tick, usage?.cpu);
    if (window) this.#closeSecond(window.firstTick, tick);
    if (window) for (const [id, at] of this.#arrivedAt) if (tick - at > rememberedTicks) this.#arrivedAt.delete(id);
    this.#seconds.running.sweep(tick);
  }

  plan(): readonly Placement[] {
    const next = this.#tick + 2 + Math.round(this.#tally.late);
    const position = this.#phase.positionOf(next);
    if (next - position !== this.#second) this.#beginSecond(next - position);
    if (!this.#knobs.enabled || this.#doubt() !== null) return [];
    const { waiting } = this.#backlog;
    const forced = waiting.filter(({ latest }) => latest <= next + 1);
    const placements = this.#start(forced, next);
    const { tickMs, windowTicks } = this.#clockwork;
    const starts = fillSecond({
      next,
      position,
      windowTicks,
      tickMs,
      target: this.#target,
      usage: this.#seconds.ticksFrom(next - position),
      previous: this.#seconds.ticksFrom(next - position - windowTicks),
      budgetTicks: this.#budgetTicks(),
      waiting: this.#backlog.waiting,
    });
    placements.push(...this.#start(starts, next), ...this.#backlog.hold(next, this.#pace()));
    if (position === windowTicks - 1) this.#expected = this.#seconds.from(next - position);
    return placements;
  }

  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void {
    for (const { id, tick } of results) {
      const item = this.#backlog.find(id);
      // What is gone has started: a tick to come tells when.
      if (!item || tick === undefined) continue;
      item.tick = tick;
      if (this.#backlog.startOf(id) !== undefined) this.#seconds.running.start(id, item.profile, tick);
    }
  }

  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    if (this.#costs.size === 0) {
      // What was seen before costs were known was taken for background.
      this.#seconds.forgetBackground();
      this.#level = new Level();
      this.#arrivals = new Arrivals();
      this.#tally.forgetUnknown();
    }
    this.#costs = costs;
    this.#prior = profileOf(prior);
    for (const item of this.#backlog.all) item.profile = this.#profileOf(item.queryId);
  }

  /** @throws KnobsError */
  setKnobs(knobs: Knobs): void {
    this.#knobs = checkKnobs(knobs);
  }

  save(): unknown {
    return undefined;
  }

  status(): SteeringStatus {
    const backlog = this.#backlog.size;
    if (!this.#knobs.enabled) return { mode: "off", backlog, advice: null };
    const doubt = this.#doubt();
    const floor = this.#floor();
    const mode = doubt === null ? "steering" : "learning";
    return { mode, backlog, advice: doubt ?? this.#advice(floor), ...(floor && { floor }) };
  }

  /** By what arrived lately. */
  #floor(): Floor | undefined {
    if (this.#costs.size === 0) return undefined;
    const { windowTicks, tickMs } = this.#clockwork;
    const profiles = new Map([...this.#arrivedAt.keys()].map((queryId) => [queryId, this.#profileOf(queryId)]));
    return floorOf(profiles, this.#target, this.#seconds.lastingBackground, windowTicks * tickMs);
  }

  #advice(floor: Floor | undefined): string | null {
    const { bandWidth, latencyP95Seconds } = this.#knobs;
    return promiseOf(floor, bandWidth).why ?? this.#tally.advice(latencyP95Seconds);
  }

  /** Why planning by these costs would do harm, in words; null when it would not. */
  #doubt(): string | null {
    if (this.#costs.size === 0) return "no costs are known yet: nothing is delayed until they are";
    return this.#tally.doubt ?? this.#trial.failure;
  }

  #profileOf(queryId: string): Profile {
    const cost = this.#costs.get(queryId);
    return cost ? profileOf(cost) : this.#prior;
  }

  /** CPU ms a tick for what is steered. */
  #pace(): number {
    return Math.max(0.1, this.#target / this.#clockwork.windowTicks - this.#seconds.backgroundPerTick);
  }

  #budgetTicks(): number {
    return (this.#knobs.latencyP95Seconds * 1_000) / this.#clockwork.tickMs;
  }

  #add(entry: Waiting): Item {
    const { deadlineSeconds } = this.#knobs;
    const { queryId } = entry;
    const own = Object.hasOwn(deadlineSeconds, queryId) ? deadlineSeconds[queryId] : undefined;
    const longest = Math.min(
      ((own ?? Number.POSITIVE_INFINITY) * 1_000) / this.#clockwork.tickMs,
      longestBudgets * this.#budgetTicks(),
    );
    return this.#backlog.add(entry, this.#profileOf(queryId), longest);
  }

  #closeSecond(first: number, last: number): void {
    this.#phase.closed(last);
    const used = this.#seconds.from(first);
    const { bandWidth } = this.#knobs;
    const steered = this.#second > first && this.#knobs.enabled && this.#doubt() === null;
    this.#mean += (used - this.#mean) * Math.max(meanGain, 1 / ++this.#closed);
    if (this.#backlog.size === 0) return;
    const level = steered ? this.#target : this.#mean;
    this.#trial.observe(steered, isLevel(this.#expected, level, bandWidth), isLevel(used, level, bandWidth));
  }

  #beginSecond(first: number): void {
    const { windowTicks } = this.#clockwork;
    const budget = this.#budgetTicks();
    const neededFor = (dueOf: (item: Item) => number) => this.#backlog.needed(dueOf, first, windowTicks);
    this.#arrivals.closeSecond();
    this.#target = this.#level.next({
      waitingMs: sum(this.#backlog.waiting.map(({ profile }) => profile.workMs)),
      arrivingMs: this.#arrivals.mean((knownBudgets * budget) / windowTicks),
      budgetMs: neededFor(({ arrivedTick, latest }) => Math.min(latest - guardTicks, arrivedTick + budget)),
      neededMs: neededFor(({ arrivedTick, latest }) =>
        Math.min(latest - guardTicks, arrivedTick + dueBudgets * budget),
      ),
      shortMs: this.#target - this.#seconds.from(first - windowTicks),
      backgroundMs: this.#seconds.lastingBackground,
      cycle: budget / windowTicks + 1,
    });
    this.#second = first;
  }

  #start(items: readonly Item[], next: number): Placement[] {
    for (const { id, profile } of items) this.#seconds.running.start(id, profile, next);
    return items.flatMap((item) => this.#backlog.start(item, next));
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((so, value) => so + value, 0);
}
