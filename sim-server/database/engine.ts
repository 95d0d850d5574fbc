import type { CostDistribution, Parameters } from "./parameters.ts";
import { createRandom, type Random } from "./random.ts";

/** [cpu, io, memory], integers, percent of a tick. */
export type Cost = readonly [cpu: number, io: number, memory: number];

/** A query waiting to run: it arrived in `arrivedTick` and runs in `tick` unless moved. */
export interface Queued {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  readonly tick: number;
}

export interface ClosedWindow {
  readonly firstTick: number;
  /** Query ids by tick, from `firstTick` on. */
  readonly ticks: readonly (readonly string[])[];
  readonly cpu: WindowBand;
  readonly io: WindowBand;
  readonly memory: WindowBand;
}

export interface WindowBand {
  /** Floored. */
  readonly average: number;
  readonly min: number;
  readonly max: number;
}

export interface Step {
  readonly tick: number;
  readonly executed: readonly Queued[];
  readonly arrived: readonly Queued[];
  /** The window that this tick closed. */
  readonly window?: ClosedWindow;
}

interface Entry {
  readonly id: string;
  readonly query: number;
  readonly arrivedTick: number;
  tick: number;
}

function drawCost(law: CostDistribution, random: Random): number {
  switch (law.law) {
    case "constant":
      return law.value;
    case "skew-normal": {
      const delta = law.lambda / Math.sqrt(1 + law.lambda ** 2);
      const skewed = random.normal() * Math.sqrt(1 - delta ** 2) + delta * Math.abs(random.normal());
      return Math.max(0, Math.trunc(law.mu + law.sigma * skewed));
    }
    case "log-uniform":
      return Math.trunc(law.min * (law.max / law.min) ** random.uniform());
  }
}

/** The window bands of per-tick usages, as the requirement's `GET /resources` reports them. */
function bandOf(usages: readonly Cost[], resource: 0 | 1 | 2): WindowBand {
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (const usage of usages) {
    sum += usage[resource];
    min = Math.min(min, usage[resource]);
    max = Math.max(max, usage[resource]);
  }
  return { average: Math.floor(sum / usages.length), min, max };
}

/**
 * The simulated database in virtual time: one `step()` is one tick. Each tick first runs what is due, then lets new
 * queries arrive. Equal parameters and run seeds give equal runs, given equal calls to `delay` and `place`.
 *
 * The queries, their costs and how often they come depend on `parameters.seed` alone; what arrives when (and the
 * executions' ids) on `runSeed` too, so that a restarted server is the same database with new traffic.
 */
export class Engine {
  readonly parameters: Parameters;
  /** The last tick that ran; -1 before the first. */
  tick = -1;
  readonly #random: Random;
  readonly #executionId: () => string;
  readonly #queryIds: readonly string[];
  readonly #probabilities: readonly number[];
  readonly #costs: Cost[];
  readonly #driftOrder: readonly number[];
  readonly #byId = new Map<string, Entry>();
  readonly #byTick = new Map<number, Set<Entry>>();
  #bursting = false;
  readonly #windowPhase: number;
  #windowNumber = 0;
  #nextWindowEnd: number;
  #windowUsages: Cost[] = [];
  #windowTicks: string[][] = [];
  #lastUsage: Cost = [0, 0, 0];

  constructor(parameters: Parameters, options: { runSeed?: number; executionId?: () => string } = {}) {
    this.parameters = parameters;
    const world = createRandom(parameters.seed);
    const count = parameters.queries;
    this.#queryIds = Array.from({ length: count }, () => world.uuid());
    this.#costs = Array.from({ length: count }, (_, query) => {
      const profile = parameters.profiles[query % parameters.profiles.length];
      if (!profile) throw new RangeError("no profiles");
      return [drawCost(profile.cpu, world), drawCost(profile.io, world), drawCost(profile.memory, world)];
    });
    const { law, mean } = parameters.arrivals;
    this.#probabilities = Array.from({ length: count }, () => (law === "constant" ? mean : mean * world.exponential()));
    this.#driftOrder = Array.from({ length: count }, (_, query) => ({ query, key: world.uniform() }))
      .sort((a, b) => a.key - b.key)
      .map(({ query }) => query);
    this.#random = createRandom((parameters.seed ^ Math.imul((options.runSeed ?? 0) + 1, 0x9e3779b1)) >>> 0);
    this.#executionId = options.executionId ?? (() => this.#random.uuid());
    this.#windowPhase = this.#random.uniform();
    this.#nextWindowEnd = this.#drawWindowEnd();
  }

  /** How many executions wait. */
  get backlog(): number {
    return this.#byId.size;
  }

  /**
   * Runs the next tick.
   * @param intake share of what would arrive that is taken in, 0 to 1; the rest is turned away and never was
   */
  step(intake = 1): Step {
    const tick = ++this.tick;
    this.#applyDrift(tick);
    const executed = this.#execute(tick);
    const arrived = this.#arrive(tick, intake);
    const window = this.#closeWindow(tick, executed);
    return { tick, executed, arrived, ...(window && { window }) };
  }

  /** Everything that waits, in order of arrival. */
  queued(): Queued[] {
    return Array.from(this.#byId.values(), (entry) => this.#view(entry));
  }

  /** Adds `ticks` to what remains of an execution's delay; false when it is unknown or has run. */
  delay(id: string, ticks: number): boolean {
    const entry = this.#byId.get(id);
    if (entry) this.#move(entry, entry.tick + ticks);
    return entry !== undefined;
  }

  /**
   * Sets the tick in which an execution runs: `tick`, or the nearest one that its default delay and the present allow.
   * Returns the tick, or undefined when the execution is unknown or has run.
   */
  place(id: string, tick: number): number | undefined {
    const entry = this.#byId.get(id);
    if (!entry) return undefined;
    this.#move(entry, Math.max(tick, entry.arrivedTick + this.parameters.defaultDelayTicks, this.tick + 1));
    return entry.tick;
  }

  /** The truth, for benches and tests in the same process: no server call reveals it. Costs as they are now. */
  truth(): ReadonlyMap<string, Cost> {
    return new Map(this.#queryIds.map((id, query) => [id, this.#costOf(query)]));
  }

  /** The true usage of the last tick; for benches and tests in the same process. */
  lastUsage(): Cost {
    return this.#lastUsage;
  }

  #costOf(query: number): Cost {
    const cost = this.#costs[query];
    if (!cost) throw new RangeError(`no query ${query}`);
    return cost;
  }

  #view({ id, query, arrivedTick, tick }: Entry): Queued {
    return { id, queryId: this.#queryIds[query] ?? "", arrivedTick, tick };
  }

  #move(entry: Entry, tick: number): void {
    this.#byTick.get(entry.tick)?.delete(entry);
    entry.tick = tick;
    this.#dueIn(tick).add(entry);
  }

  #dueIn(tick: number): Set<Entry> {
    const known = this.#byTick.get(tick);
    if (known) return known;
    const due = new Set<Entry>();
    this.#byTick.set(tick, due);
    return due;
  }

  #applyDrift(tick: number): void {
    for (const { atTick, share, factor } of this.parameters.drift) {
      if (tick !== atTick) continue;
      const affected = this.#driftOrder.slice(0, Math.max(1, Math.round(share * this.#driftOrder.length)));
      for (const query of affected) {
        const [cpu, io, memory] = this.#costOf(query);
        this.#costs[query] = [Math.trunc(cpu * factor), Math.trunc(io * factor), Math.trunc(memory * factor)];
      }
    }
  }

  #execute(tick: number): Queued[] {
    const due = this.#byTick.get(tick) ?? new Set<Entry>();
    this.#byTick.delete(tick);
    const usage: [number, number, number] = [0, 0, 0];
    const executed: Queued[] = [];
    for (const entry of due) {
      this.#byId.delete(entry.id);
      const cost = this.#costOf(entry.query);
      usage[0] += cost[0];
      usage[1] += cost[1];
      usage[2] += cost[2];
      executed.push(this.#view(entry));
    }
    this.#lastUsage = usage;
    return executed;
  }

  #arrive(tick: number, intake: number): Queued[] {
    const { season, bursts } = this.parameters.arrivals;
    let factor =
      Math.sin(((tick - season.phaseTicks) * 2 * Math.PI) / season.periodTicks) * season.amplitude + season.level;
    if (bursts) {
      const changes = this.#random.uniform() < 1 / (this.#bursting ? bursts.meanTicks : bursts.everyTicks);
      if (changes) this.#bursting = !this.#bursting;
      factor *= this.#bursting ? bursts.factor : bursts.quietFactor;
    }
    factor *= intake;
    const arrived: Queued[] = [];
    for (let query = 0; query < this.#probabilities.length; query++) {
      if (this.#random.uniform() >= (this.#probabilities[query] ?? 0) * factor) continue;
      const due = Math.max(tick + this.parameters.defaultDelayTicks, tick + 1);
      const entry: Entry = { id: this.#executionId(), query, arrivedTick: tick, tick: due };
      this.#byId.set(entry.id, entry);
      this.#dueIn(due).add(entry);
      arrived.push(this.#view(entry));
    }
    return arrived;
  }

  #drawWindowEnd(): number {
    const { windowTicks, windowJitterTicks } = this.parameters;
    const shift =
      windowJitterTicks === 0 ? 0 : Math.floor(this.#windowPhase + (this.#random.uniform() - 0.5) * windowJitterTicks);
    return ++this.#windowNumber * windowTicks - 1 + shift;
  }

  #closeWindow(tick: number, executed: readonly Queued[]): ClosedWindow | undefined {
    this.#windowUsages.push(this.#lastUsage);
    this.#windowTicks.push(executed.map(({ queryId }) => queryId));
    if (tick < this.#nextWindowEnd) return undefined;
    const usages = this.#windowUsages;
    const ticks = this.#windowTicks;
    this.#windowUsages = [];
    this.#windowTicks = [];
    this.#nextWindowEnd = this.#drawWindowEnd();
    return {
      firstTick: tick - ticks.length + 1,
      ticks,
      cpu: bandOf(usages, 0),
      io: bandOf(usages, 1),
      memory: bandOf(usages, 2),
    };
  }
}
