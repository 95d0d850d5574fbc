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
import { fillSecond } from "./fill.ts";
import { type Floor, floorOf, promiseOf } from "./floor.ts";
import type { Item } from "./item.ts";
import { Level } from "./level.ts";
import { type Profile, profileOf } from "./profiles.ts";
import { Seconds } from "./seconds.ts";

export interface PacingOptions {
  readonly clockwork: Clockwork;
  readonly knobs: Knobs;
}

/** What is held is moved on when its tick comes so near. */
const guardTicks = 4;
/** What waits is to have started within so many budgets on average load... */
const dueBudgets = 1.25;
/** ...and starts after so many in any case. */
const longestBudgets = 2;
/** Arrivals are averaged once they span so many. */
const knownBudgets = 0.8;
const meanGain = 1 / 60;
const unknownGain = 1 / 100;
const lateGain = 0.02;
const lateShareGain = 1 / 300;
/** Of executions beyond the budget: a p95 allows for 5%. */
const mostLate = 0.15;
/** What has not come for so long sets no floor. */
const rememberedTicks = 6_000;
/** An irrational step spreads lots evenly. */
const golden = 0.618033988749895;

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
  readonly #items = new Map<string, Item>();
  /** Where what was told to start does so, as long as no tick has told it. */
  readonly #starting = new Map<string, number>();
  #costs: ReadonlyMap<string, CostEstimate> = new Map();
  #prior: Profile = { workMs: 1, durationMs: 1, sdMs: 1 };
  #knobs: Knobs;
  #tick = -1;
  #number = 0;
  /** Ticks by which starts come after what was planned, on average. */
  #late = 0;
  #unknownShare = 0;
  #lateShare = 0;
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
    this.#items.clear();
    this.#starting.clear();
    this.#seconds.clear(tick);
    for (const entry of waiting) this.#add(entry);
  }

  observe({ tick, executed, arrived, usage, ended = [], window }: TickObservation): void {
    this.#tick = tick;
    for (const { id, queryId, arrivedTick } of executed) {
      this.#lateShare += (Number(tick - arrivedTick > this.#budgetTicks()) - this.#lateShare) * lateShareGain;
      const planned = this.#starting.get(id);
      if (planned !== undefined) this.#late += (Math.max(0, tick - planned) - this.#late) * lateGain;
      const profile = this.#items.get(id)?.profile ?? this.#profileOf(queryId);
      this.#seconds.running.start(id, profile, tick);
      // What nobody holds never waits: it arrives as it starts.
      if (!this.#items.has(id)) this.#arrivals.add(profile.workMs);
      this.#forget(id);
    }
    for (const { id, durationMs } of ended) this.#seconds.running.end(id, durationMs);
    for (const entry of arrived) {
      this.#arrivals.add(this.#add(entry).profile.workMs);
      this.#arrivedAt.set(entry.queryId, tick);
      this.#unknownShare += (Number(!this.#costs.has(entry.queryId)) - this.#unknownShare) * unknownGain;
    }
    this.#seconds.observe(tick, usage?.cpu);
    if (window) this.#closeSecond(window.firstTick, tick);
    if (window) for (const [id, at] of this.#arrivedAt) if (tick - at > rememberedTicks) this.#arrivedAt.delete(id);
    this.#seconds.running.sweep(tick);
  }

  plan(): readonly Placement[] {
    const next = this.#tick + 2 + Math.round(this.#late);
    const position = this.#phase.positionOf(next);
    if (next - position !== this.#second) this.#beginSecond(next - position);
    if (!this.#knobs.enabled || this.#doubt() !== null) return [];
    const waiting = this.#waiting();
    const forced = waiting.filter(({ latest }) => latest <= next + 1);
    const placements = this.#start(forced, next);
    const { tickMs, windowTicks } = this.#clockwork;
    const usage = this.#seconds.ticksFrom(next - position);
    const [before, here, after] = [
      usage.slice(0, position),
      usage.slice(position, position + 1),
      usage.slice(position + 1),
    ];
    const starts = fillSecond({
      next,
      position,
      windowTicks,
      tickMs,
      target: this.#target,
      before: sum(before),
      here: sum(here),
      after: sum(after),
      previous: this.#seconds.ticksFrom(next - position - windowTicks),
      budgetTicks: this.#budgetTicks(),
      waiting: waiting.filter(({ id }) => !this.#starting.has(id)),
    });
    placements.push(...this.#start(starts, next), ...this.#hold(next));
    if (position === windowTicks - 1) this.#expected = this.#seconds.from(next - position);
    return placements;
  }

  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void {
    for (const { id, tick } of results) {
      const item = this.#items.get(id);
      // What is gone has started: a tick to come tells when.
      if (!item || tick === undefined) continue;
      item.tick = tick;
      if (this.#starting.has(id)) this.#seconds.running.start(id, item.profile, tick);
    }
  }

  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void {
    if (this.#costs.size === 0) {
      // What was seen before costs were known was taken for background.
      this.#seconds.forgetBackground();
      this.#level = new Level();
      this.#arrivals = new Arrivals();
      this.#unknownShare = 0;
    }
    this.#costs = costs;
    this.#prior = profileOf(prior);
    for (const item of this.#items.values()) item.profile = this.#profileOf(item.queryId);
  }

  /** @throws KnobsError */
  setKnobs(knobs: Knobs): void {
    this.#knobs = checkKnobs(knobs);
  }

  save(): unknown {
    return undefined;
  }

  status(): SteeringStatus {
    const backlog = this.#items.size;
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
    const { why } = promiseOf(floor, bandWidth);
    if (why !== null) return why;
    if (this.#lateShare > mostLate)
      return `${percent(this.#lateShare)} of executions wait longer than ${latencyP95Seconds} s: more arrives than this budget allows to level`;
    return null;
  }

  /** Why planning by these costs would do harm, in words; null when it would not. */
  #doubt(): string | null {
    if (this.#costs.size === 0) return "no costs are known yet: nothing is delayed until they are";
    if (this.#unknownShare > 0.5)
      return `the costs of ${Math.round(this.#unknownShare * 100)}% of the executions are unknown: nothing is delayed until they are`;
    return this.#trial.failure;
  }

  #profileOf(queryId: string): Profile {
    const cost = this.#costs.get(queryId);
    return cost ? profileOf(cost) : this.#prior;
  }

  #budgetTicks(): number {
    return (this.#knobs.latencyP95Seconds * 1_000) / this.#clockwork.tickMs;
  }

  #add({ id, queryId, arrivedTick, tick, latestTick = Number.POSITIVE_INFINITY }: Waiting): Item {
    const { deadlineSeconds } = this.#knobs;
    const own = Object.hasOwn(deadlineSeconds, queryId) ? deadlineSeconds[queryId] : undefined;
    const longest = Math.min(
      ((own ?? Number.POSITIVE_INFINITY) * 1_000) / this.#clockwork.tickMs,
      longestBudgets * this.#budgetTicks(),
    );
    const latest = Math.min(latestTick, arrivedTick + Math.floor(longest));
    const lot = (this.#number++ * golden) % 1;
    const item: Item = { id, queryId, arrivedTick, latest, tick, profile: this.#profileOf(queryId), lot };
    this.#items.set(id, item);
    return item;
  }

  #forget(id: string): void {
    this.#starting.delete(id);
    this.#items.delete(id);
  }

  /** What waits and was not told to start, the oldest first. */
  #waiting(): Item[] {
    return [...this.#items.values()]
      .filter(({ id }) => !this.#starting.has(id))
      .sort((a, b) => a.arrivedTick - b.arrivedTick || a.lot - b.lot);
  }

  #closeSecond(first: number, last: number): void {
    this.#phase.closed(last);
    const used = this.#seconds.from(first);
    const { bandWidth } = this.#knobs;
    const steered = this.#second > first && this.#knobs.enabled && this.#doubt() === null;
    this.#mean += (used - this.#mean) * Math.max(meanGain, 1 / ++this.#closed);
    if (this.#items.size === 0) return;
    const level = steered ? this.#target : this.#mean;
    this.#trial.observe(steered, isLevel(this.#expected, level, bandWidth), isLevel(used, level, bandWidth));
  }

  #beginSecond(first: number): void {
    const { windowTicks } = this.#clockwork;
    const budget = this.#budgetTicks();
    const waiting = this.#waiting();
    const neededFor = (dueOf: (item: Item) => number) => {
      let [work, needed] = [0, 0];
      const byDue = waiting.map((item) => ({ workMs: item.profile.workMs, due: dueOf(item) }));
      for (const { workMs, due } of byDue.sort((a, b) => a.due - b.due)) {
        work += workMs;
        needed = Math.max(needed, (work * windowTicks) / Math.max(windowTicks, due - first));
      }
      return needed;
    };
    this.#arrivals.closeSecond();
    this.#target = this.#level.next({
      waitingMs: sum(waiting.map(({ profile }) => profile.workMs)),
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
    const placements: Placement[] = [];
    for (const item of items) {
      this.#starting.set(item.id, next);
      this.#seconds.running.start(item.id, item.profile, next);
      if (item.tick !== next) placements.push({ id: item.id, tick: next });
      item.tick = next;
    }
    return placements;
  }

  /** What else would start soon is moved on: to where its turn comes at this pace, should no one steer any more. */
  #hold(next: number): Placement[] {
    const placements: Placement[] = [];
    const pace = Math.max(0.1, this.#target / this.#clockwork.windowTicks - this.#seconds.backgroundPerTick);
    let ahead = 0;
    for (const item of this.#waiting()) {
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

function sum(values: readonly number[]): number {
  return values.reduce((so, value) => so + value, 0);
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}
