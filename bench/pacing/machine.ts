import type { createRandom } from "../../sim-server/database/random.ts";
import type { SpreadQuery } from "./loads.ts";

export interface Job {
  readonly id: string;
  /** Undefined: a statement of the background. */
  readonly query: SpreadQuery | undefined;
  /** CPU ms. */
  readonly work: number;
  readonly share: number;
  left: number;
  readonly startedAt: number;
}

/** Cores that jobs share, and other processes take a part of. */
export class Machine {
  readonly #random: ReturnType<typeof createRandom>;
  readonly #cores: number;
  readonly #always: number;
  #others = 0;
  /** CPU ms of all jobs so far. */
  usedMs = 0;
  jobs: readonly Job[] = [];

  /** @param always cores that others take on top of a part of one now and then */
  constructor(random: ReturnType<typeof createRandom>, cores: number, always: number) {
    this.#random = random;
    this.#cores = cores;
    this.#always = always;
  }

  start(job: Job): void {
    this.jobs = [...this.jobs, job];
  }

  /** Lets time pass. @returns CPU ms used, and what has ended */
  run(ms: number): { readonly usedMs: number; readonly ended: readonly Job[] } {
    const wanted = this.jobs.reduce((sum, { share }) => sum + share, 0);
    // What else the machine does takes part of a processor or none, for a third of a second on average.
    if (this.#random.uniform() < ms / 330)
      this.#others = Math.max(0, 1.6 * this.#random.uniform() - 0.6 + this.#always);
    const speed = Math.min(1, (this.#cores - this.#others) / Math.max(wanted, 1e-9));
    let usedMs = 0;
    for (const job of this.jobs) {
      const done = Math.min(job.left, job.share * speed * ms);
      job.left -= done;
      usedMs += done;
    }
    const isOver = ({ left }: Job) => left <= 1e-9;
    const ended = this.jobs.filter(isOver);
    if (ended.length > 0) this.jobs = this.jobs.filter((job) => !isOver(job));
    this.usedMs += usedMs;
    return { usedMs, ended };
  }
}
