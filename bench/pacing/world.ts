/**
 * A database in virtual time whose executions last: processor sharing on some cores, bursts, a background of short
 * statements, and a sampler that reads CPU times at uneven moments. It tells its ticks as a server with `spread` does.
 */
import type { TickObservation, Waiting, WindowObservation } from "../../core/workload/types.ts";
import { createRandom } from "../../sim-server/database/random.ts";
import { burstOf, type Load, type SpreadQuery } from "./loads.ts";
import { type Job, Machine } from "./machine.ts";
import { Sampler, tickMs } from "./sampler.ts";
import { metricsOf, type Ran, windowOf } from "./window.ts";

const stepMs = 5;
const choreShare = 1 / 200;
const choreMs = 15;
const sampleMs = [50, 100] as const;
/** The application's pool: of what is not held so many run at once. */
const connections = 20;
export const windowTicks = 10;

interface Held extends Waiting {
  readonly query: SpreadQuery;
  readonly jitterMs: number;
}

/** What starts executions: told ticks, it says in which tick waiting ones start. Undefined: each at its default. */
export interface Pacer {
  observe(tick: TickObservation): readonly { readonly id: string; readonly tick: number }[];
}

export interface WorldOptions {
  readonly load: Load;
  readonly seed: number;
  readonly cores: number;
  /** Ms from a tick's event to the arrival of the answer. */
  readonly answerMs: number;
  /** Ticks that an execution waits for at most. */
  readonly deferTicks: number;
  /** Cores that other processes take on top of a part of one now and then. */
  readonly others?: number;
  /** From one of the sampler's readings to the next: least and most. */
  readonly sampleMs?: readonly [least: number, most: number];
}

/** Whether its executions wait to be let go, run at once and are only recorded, or do not come at all. */
export type Application = "enforce" | "observe" | "none";

export interface Second {
  /** CPU ms: true, and as the sampler has it. */
  readonly used: number;
  readonly sampled: number;
  /** Whether work of the bursts waited or ran. */
  readonly active: boolean;
}

export class SpreadWorld {
  readonly #options: WorldOptions;
  readonly #random: ReturnType<typeof createRandom>;
  readonly #waiting = new Map<string, Held>();
  readonly #machine: Machine;
  readonly #ran = new Map<Job, Ran>();
  #number = 0;
  #now = 0;
  #nextBurst = 0;
  readonly #sampler: Sampler;
  readonly #ticks: {
    sampled: number;
    used: number;
    executed: Held[];
    arrived: Held[];
    ended: Job[];
    active: boolean;
  }[] = [];
  #told = 0;
  readonly #delays: { readonly startedTick: number; readonly seconds: number }[] = [];
  readonly windows: WindowObservation[] = [];
  #answers: { at: number; placements: readonly { readonly id: string; readonly tick: number }[] }[] = [];

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    this.#machine = new Machine(this.#random, options.cores, options.others ?? 0);
    this.#sampler = new Sampler(this.#random, options.sampleMs ?? sampleMs);
  }

  /** Goes on for so long, with the first burst at its beginning. */
  run(seconds: number, pacer: Pacer | undefined, application: Application = "enforce"): void {
    const until = this.#now + seconds * 1_000;
    this.#nextBurst = this.#now;
    for (; this.#now < until; this.#now += stepMs) {
      const now = this.#now;
      if (now % tickMs === 0) this.#tick(now / tickMs);
      if (application !== "none") this.#burst(now, application === "enforce");
      this.#background(now);
      this.#start(now, application === "enforce");
      this.#execute(now);
      this.#sample(now + stepMs);
      this.#tell(now + stepMs, pacer);
      for (const { placements } of this.#answers.filter(({ at }) => at <= now)) this.#place(placements, now);
      this.#answers = this.#answers.filter(({ at }) => at > now);
    }
  }

  /** Every whole second so far, from tick `shift` on. */
  seconds(shift = 0): Second[] {
    const all: Second[] = [];
    for (let first = shift; first + windowTicks <= this.#told; first += windowTicks) {
      const ticks = this.#ticks.slice(first, first + windowTicks);
      const sum = (of: (tick: (typeof ticks)[number]) => number) => ticks.reduce((so, tick) => so + of(tick), 0);
      all.push({
        used: sum(({ used }) => used),
        sampled: sum(({ sampled }) => sampled),
        active: ticks.some(({ active }) => active),
      });
    }
    return all;
  }

  /** Seconds that executions waited which started `from` so many seconds on, and so far of those that still wait. */
  delaysFrom(from: number): number[] {
    const first = (from * 1_000) / tickMs;
    const age = ({ arrivedTick }: Held) => (this.#told - arrivedTick) * (tickMs / 1_000);
    const started = this.#delays.filter(({ startedTick }) => startedTick >= first).map(({ seconds }) => seconds);
    return [...started, ...Array.from(this.#waiting.values(), age)];
  }

  #tick(number: number): void {
    const active = this.#waiting.size > 0 || this.#machine.jobs.some(({ query }) => query !== undefined);
    this.#ticks[number] = { sampled: 0, used: 0, executed: [], arrived: [], ended: [], active };
  }

  /** @param held whether it waits to be let go; else it starts as soon as a connection is free, and no one is told before */
  #burst(now: number, held: boolean): void {
    const { load, deferTicks } = this.#options;
    if (now < this.#nextBurst) return;
    this.#nextBurst += load.burstEveryMs;
    const tick = Math.floor(now / tickMs);
    const times = { arrivedTick: tick, tick: held ? tick + 3 : tick, latestTick: tick + deferTicks };
    const burst = burstOf(load, this.#random).map(({ query, jitterMs }): Held => {
      return { id: String(this.#number++), queryId: query.id, ...times, query, jitterMs };
    });
    for (const one of burst) {
      this.#waiting.set(one.id, one);
      if (held) this.#ticks[tick]?.arrived.push(one);
    }
  }

  #background(now: number): void {
    const { backgroundMs, statementMs } = this.#options.load;
    const rate = (backgroundMs / statementMs / 1_000) * stepMs * (1 + 0.15 * Math.sin((2 * Math.PI * now) / 47_000));
    for (let chance = rate; chance > 0; chance--) {
      if (this.#random.uniform() >= chance) continue;
      // One in two hundred is some chore of the server: autovacuum, a checkpoint, statistics.
      const mean =
        this.#random.uniform() < choreShare ? choreMs * statementMs : statementMs * (1 - choreShare * choreMs);
      const work = mean * this.#random.exponential();
      this.#machine.start({ id: "", query: undefined, work, share: 1, left: work, startedAt: now });
    }
  }

  #start(now: number, held: boolean): void {
    const tick = Math.floor(now / tickMs);
    const running = this.#machine.jobs.filter(({ query }) => query !== undefined).length;
    let free = held ? Number.POSITIVE_INFINITY : connections - running;
    for (const one of this.#waiting.values()) {
      if (free <= 0) return;
      if (Math.min(one.tick, one.latestTick ?? one.tick) * tickMs + one.jitterMs > now) continue;
      this.#waiting.delete(one.id);
      free--;
      const { query } = one;
      const [mean] = query.work;
      const sigma = Math.sqrt(Math.log(1 + query.scatter ** 2));
      const work = mean * Math.exp(sigma * this.#random.normal() - sigma ** 2 / 2);
      const job: Job = { id: one.id, query, work, share: query.cpuShare, left: work, startedAt: now };
      this.#machine.start(job);
      this.#ran.set(job, { job, startedTick: tick, endedAt: undefined });
      this.#ticks[tick]?.executed.push(held ? one : { ...one, arrivedTick: tick });
      this.#delays.push({ startedTick: tick, seconds: (tick - one.arrivedTick) * (tickMs / 1_000) });
    }
  }

  #execute(now: number): void {
    const tick = this.#ticks[Math.floor(now / tickMs)];
    const { usedMs, ended } = this.#machine.run(stepMs);
    if (tick) tick.used += usedMs;
    for (const job of ended) {
      if (!job.query) continue;
      tick?.ended.push(job);
      const ran = this.#ran.get(job);
      if (ran) ran.endedAt = now + stepMs;
    }
  }

  #sample(now: number): void {
    for (const { tick, cpuMs } of this.#sampler.read(now, this.#machine.usedMs)) {
      const of = this.#ticks[tick];
      if (of) of.sampled += cpuMs;
    }
  }

  /** A tick is told once it has been sampled whole, two ticks late at the latest. */
  #tell(now: number, pacer: Pacer | undefined): void {
    for (;;) {
      const tick = this.#told;
      const end = (tick + 1) * tickMs;
      const sampled = this.#sampler.until >= end;
      if (now < end || (!sampled && now < end + 2 * tickMs)) return;
      this.#told++;
      const of = this.#ticks[tick];
      if (!of) return;
      const usage = { cpu: (of.sampled * 100) / tickMs, io: 0, memory: 0 };
      const closes = this.#told % windowTicks === 0;
      const observation: TickObservation = {
        tick,
        executed: of.executed,
        arrived: of.arrived,
        ended: of.ended.map((job) => this.#endedOf(job)),
        ...(sampled && { usage }),
        ...(closes && {
          window: {
            firstTick: tick - windowTicks + 1,
            bounds: "exact",
            metrics: metricsOf(this.#ticks.slice(tick - windowTicks + 1, tick + 1)),
          },
        }),
      };
      if (closes) this.#keepWindow(tick);
      const placements = pacer?.observe(observation) ?? [];
      if (placements.length > 0) this.#answers.push({ at: now + this.#options.answerMs, placements });
    }
  }

  #endedOf(job: Job) {
    const ran = this.#ran.get(job);
    const durationMs = (ran?.endedAt ?? 0) - job.startedAt;
    return { id: job.id, queryId: job.query?.id ?? "", startedTick: ran?.startedTick ?? 0, durationMs };
  }

  /** The window's row as the estimator gets it, some seconds later: with the durations of what has ended by then. */
  #keepWindow(lastTick: number): void {
    const first = lastTick - windowTicks + 1;
    const [from, to] = [first * tickMs, (lastTick + 1) * tickMs];
    const ticks = this.#ticks.slice(first, lastTick + 1);
    for (const [job, { endedAt = to }] of this.#ran) if (endedAt <= from) this.#ran.delete(job);
    const ran = [...this.#ran.values()].filter(({ job }) => job.startedAt < to);
    this.windows.push(windowOf(first, ticks, ran));
  }

  #place(placements: readonly { readonly id: string; readonly tick: number }[], now: number): void {
    for (const { id, tick } of placements) {
      const held = this.#waiting.get(id);
      if (held) this.#waiting.set(id, { ...held, tick: Math.max(tick, Math.floor(now / tickMs)) });
    }
  }
}
