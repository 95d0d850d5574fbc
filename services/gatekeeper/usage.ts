import type { UsageSample } from "../../platform/gate-wire.ts";

/** Cpu in percent of one core, io in KiB per tick, memory in MiB. */
export interface TickUsage {
  readonly cpu: number;
  readonly io: number;
  readonly memory: number;
}

interface Sums {
  coveredMs: number;
  cpuMs: number;
  ioKiB: number;
  memoryMs: number;
}

const keptTicks = 700;

/** The sampler's samples, spread over the ticks that they overlap, in proportion. */
export class UsageTicks {
  readonly #tickMs: number;
  readonly #ticks = new Map<number, Sums>();
  /** Ms after the start of tick 0: up to here usage is known. */
  #until = Number.NEGATIVE_INFINITY;

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  /** @param from,to ms after the start of tick 0. What an earlier sample has covered does not count again. */
  add({ from, to, cpuMs, ioKiB, memoryMiB }: UsageSample): void {
    const begin = Math.max(from, this.#until, 0);
    if (to <= begin) return;
    this.#until = to;
    const first = Math.floor(begin / this.#tickMs);
    for (let tick = Math.max(first, Math.floor(to / this.#tickMs) - keptTicks); tick * this.#tickMs < to; tick++) {
      const ms = Math.min(to, (tick + 1) * this.#tickMs) - Math.max(begin, tick * this.#tickMs);
      const share = ms / (to - from);
      const sums = this.#ticks.get(tick) ?? { coveredMs: 0, cpuMs: 0, ioKiB: 0, memoryMs: 0 };
      sums.coveredMs += ms;
      sums.cpuMs += cpuMs * share;
      sums.ioKiB += ioKiB * share;
      sums.memoryMs += memoryMiB * ms;
      this.#ticks.set(tick, sums);
    }
    for (const tick of this.#ticks.keys()) {
      if (this.#ticks.size <= keptTicks) break;
      this.#ticks.delete(tick);
    }
  }

  /** Whether samples reach the tick's end. */
  covers(tick: number): boolean {
    return this.#until >= (tick + 1) * this.#tickMs - 1;
  }

  /** Undefined when less than half of the tick was sampled; what is missing of it is taken to be as the rest. */
  of(tick: number): TickUsage | undefined {
    const sums = this.#ticks.get(tick);
    if (!sums || sums.coveredMs < this.#tickMs / 2) return undefined;
    const { coveredMs, cpuMs, ioKiB, memoryMs } = sums;
    return {
      cpu: round((cpuMs / coveredMs) * 100),
      io: round((ioKiB / coveredMs) * this.#tickMs),
      memory: round(memoryMs / coveredMs),
    };
  }
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
