import type { Band, Placement, Resource, SteeringApi, TickObservation, Triple, Waiting } from "../types.ts";
import { type Costs, costOf, type Recording } from "./recording.ts";

interface Entry {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  readonly cost: Triple;
  tick: number;
}

/**
 * A server in virtual time that runs a recording's traffic with given costs: each tick first runs what is due, then takes
 * in what arrives. Windows have their nominal length and begin at tick 0.
 */
export class World {
  /** The last tick that ran; -1 before the first. */
  tick = -1;
  /** What the last tick used. */
  usage: Triple = [0, 0, 0];
  readonly #recording: Recording;
  readonly #costs: Costs;
  readonly #api: SteeringApi;
  readonly #waiting = new Map<string, Entry>();
  readonly #due = new Map<number, Set<Entry>>();
  #nextArrival = 0;
  #window: Triple[] = [];

  constructor(recording: Recording, costs: Costs, api: SteeringApi) {
    this.#recording = recording;
    this.#costs = costs;
    this.#api = api;
  }

  get backlog(): number {
    return this.#waiting.size;
  }

  /** Ticks that each waiting execution has waited so far. */
  ages(): number[] {
    return Array.from(this.#waiting.values(), ({ arrivedTick }) => this.tick - arrivedTick);
  }

  /** Runs the next tick. */
  step(): TickObservation {
    const tick = ++this.tick;
    const executed = Array.from(this.#due.get(tick) ?? []);
    this.#due.delete(tick);
    const usage: [number, number, number] = [0, 0, 0];
    for (const { id, cost } of executed) {
      this.#waiting.delete(id);
      for (const r of [0, 1, 2] as const) usage[r] += cost[r];
    }
    this.usage = usage;
    this.#window.push(usage);
    const arrived = this.#arrive(tick);
    const { windowTicks } = this.#recording.clockwork;
    if (this.#window.length < windowTicks) return { tick, executed, arrived };
    const metrics: Record<Resource, Band> = { cpu: this.#band(0), io: this.#band(1), memory: this.#band(2) };
    this.#window = [];
    return { tick, executed, arrived, window: { firstTick: tick - windowTicks + 1, bounds: "exact", metrics } };
  }

  /** Carries placements out as the server's API allows: `delay` cannot pull forward. */
  place(placements: readonly Placement[]): void {
    const { defaultDelayTicks } = this.#recording.clockwork;
    for (const { id, tick } of placements) {
      const entry = this.#waiting.get(id);
      if (!entry) continue;
      const earliest = this.#api === "delay" ? entry.tick : entry.arrivedTick + defaultDelayTicks;
      this.#due.get(entry.tick)?.delete(entry);
      entry.tick = Math.max(tick, earliest, this.tick + 1);
      this.#dueIn(entry.tick).add(entry);
    }
  }

  /** The largest usage, by resource, that a tick after the next one would have if nothing were moved any more and nothing arrived. */
  burst(): Triple {
    const worst: [number, number, number] = [0, 0, 0];
    for (const [tick, entries] of this.#due) {
      if (tick <= this.tick + 1) continue;
      const sum: [number, number, number] = [0, 0, 0];
      for (const { cost } of entries) for (const r of [0, 1, 2] as const) sum[r] += cost[r];
      for (const r of [0, 1, 2] as const) worst[r] = Math.max(worst[r], sum[r]);
    }
    return worst;
  }

  #arrive(tick: number): Waiting[] {
    const { arrivals, clockwork } = this.#recording;
    const arrived: Waiting[] = [];
    for (let next = arrivals[this.#nextArrival]; next && next.arrivedTick <= tick; next = arrivals[this.#nextArrival]) {
      const { queryId } = next;
      const due = tick + Math.max(1, clockwork.defaultDelayTicks);
      const cost = costOf(this.#costs, queryId);
      const entry: Entry = { id: String(this.#nextArrival++), queryId, arrivedTick: tick, cost, tick: due };
      this.#waiting.set(entry.id, entry);
      this.#dueIn(due).add(entry);
      arrived.push({ id: entry.id, queryId, arrivedTick: tick, tick: due });
    }
    return arrived;
  }

  #dueIn(tick: number): Set<Entry> {
    let entries = this.#due.get(tick);
    if (!entries) {
      entries = new Set();
      this.#due.set(tick, entries);
    }
    return entries;
  }

  #band(resource: 0 | 1 | 2): Band {
    const usages = this.#window.map((usage) => usage[resource]);
    const average = Math.floor(usages.reduce((sum, usage) => sum + usage, 0) / usages.length);
    return { average, min: Math.min(...usages), max: Math.max(...usages) };
  }
}
