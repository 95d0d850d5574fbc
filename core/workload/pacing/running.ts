import { type Profile, usedBetween } from "./profiles.ts";

/** From a tick's beginning to the moment that what is placed there begins, on average. */
export const startMs = 10;
/** What has outlived its duration is expected to go on for this share of it. */
const overtime = 0.15;

interface Run {
  readonly profile: Profile;
  /** Ms, on the axis of ticks. */
  readonly startedAt: number;
  endedAt?: number;
  /** CPU ms of it that ticks were explained by. */
  explained: number;
}

/** What runs or is about to, and what it is expected to use of the CPU in each tick. */
export class Running {
  readonly #tickMs: number;
  readonly #runs = new Map<string, Run>();

  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  get size(): number {
    return this.#runs.size;
  }

  clear(): void {
    this.#runs.clear();
  }

  /** It starts, or is placed to start, in `tick`. */
  start(id: string, profile: Profile, tick: number): void {
    this.#runs.set(id, { profile, startedAt: tick * this.#tickMs + startMs, explained: 0 });
  }

  forget(id: string): void {
    this.#runs.delete(id);
  }

  end(id: string, durationMs: number): void {
    const run = this.#runs.get(id);
    if (run) run.endedAt = run.startedAt + durationMs;
  }

  /** CPU ms expected in `tick`, seen from the beginning of tick `present`. */
  expected(tick: number, present: number): number {
    const from = tick * this.#tickMs;
    let sum = 0;
    for (const run of this.#runs.values()) {
      const start = from - run.startedAt;
      sum += usedBetween(lasting(run, present * this.#tickMs), start, start + this.#tickMs);
    }
    return sum;
  }

  /**
   * CPU ms of `tick` that executions explain, each with its whole work by its end and no more: where they crowd, what is
   * expected of those that outlive their duration sums up to several times that. To be asked once of each tick, in order.
   */
  explain(tick: number): number {
    const [from, to] = [tick * this.#tickMs, (tick + 1) * this.#tickMs];
    let sum = 0;
    for (const run of this.#runs.values()) {
      const left = run.profile.workMs - run.explained;
      const start = from - run.startedAt;
      const expected = usedBetween(lasting(run, to), start, start + this.#tickMs);
      const part = run.endedAt !== undefined && run.endedAt <= to ? left : Math.min(left, expected);
      run.explained += part;
      sum += part;
    }
    return sum;
  }

  /** Forgets what had ended before `tick` began. */
  sweep(tick: number): void {
    for (const [id, { endedAt }] of this.#runs) {
      if (endedAt !== undefined && endedAt < tick * this.#tickMs) this.#runs.delete(id);
    }
  }
}

/** The profile with the duration that it had or, by now, must have. */
function lasting({ profile, startedAt, endedAt }: Run, presentMs: number): Profile {
  if (endedAt !== undefined) return { ...profile, durationMs: Math.max(0.1, endedAt - startedAt) };
  const elapsed = presentMs - startedAt;
  if (elapsed <= profile.durationMs) return profile;
  return { ...profile, durationMs: elapsed + overtime * profile.durationMs };
}
