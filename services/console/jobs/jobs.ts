/** Long work in threads of its own, so that the live view goes on: one at a time, each result kept for a while. */
import { Worker } from "node:worker_threads";
import type { Clock } from "../../../platform/clock.ts";
import type { Log } from "../../../platform/log.ts";
import type { Job } from "../contract/jobs.ts";
import { type Task, told } from "./tasks.ts";

const keptMs = 10 * 60_000;
const mostKept = 20;
const mostWaiting = 4;
/** Work that takes longer is given up. */
const longestMs = 5 * 60_000;
/** No more than leaves the page alive where the container is small: then the work breaks off and says so. */
const threadMegabytes = Math.min(768, Math.floor(0.5e-6 * (process.constrainedMemory() || 8e9)));

interface Entry {
  job: Job<unknown>;
  at: number;
}

export class Jobs {
  readonly #entries = new Map<string, Entry>();
  readonly #waiting: { readonly key: string; readonly task: Task }[] = [];
  readonly #clock: Clock;
  readonly #log: Log;
  #running: Worker | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** The job of that key, begun when there is none; undefined when too many wait. What failed is begun anew. */
  ask(key: string, task: Task): Job<unknown> | undefined {
    const now = this.#clock.now();
    for (const [known, { at, job }] of this.#entries) {
      if (job.state !== "running" && (at < now - keptMs || this.#entries.size > mostKept)) this.#entries.delete(known);
    }
    const known = this.#entries.get(key);
    if (known) {
      if (known.job.state === "failed") this.#entries.delete(key);
      return known.job;
    }
    if (this.#waiting.length >= mostWaiting) return undefined;
    const job: Job<unknown> = { state: "running", doing: "waiting for other work to end", share: 0 };
    this.#entries.set(key, { job, at: now });
    this.#waiting.push({ key, task });
    this.#next();
    return this.#entries.get(key)?.job ?? job;
  }

  async stop(): Promise<void> {
    this.#waiting.length = 0;
    await this.#running?.terminate();
  }

  #next(): void {
    const [next] = this.#running ? [] : this.#waiting.splice(0, 1);
    if (!next) return;
    const { key, task } = next;
    const set = (job: Job<unknown>) => this.#entries.set(key, { job, at: this.#clock.now() });
    set({ state: "running", doing: "beginning", share: 0 });
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      workerData: task,
      resourceLimits: { maxOldGenerationSizeMb: threadMegabytes },
    });
    this.#running = worker;
    const late = setTimeout(() => {
      set({ state: "failed", problem: `given up after ${longestMs / 60_000} minutes: choose a shorter time` });
      void worker.terminate();
    }, longestMs);
    worker.on("message", (message: unknown) => {
      const said = told.parse(message);
      if (said.type === "progress") set({ state: "running", doing: said.doing, share: said.share });
      else if (said.type === "done") set({ state: "done", result: said.result });
      else set({ state: "failed", problem: said.problem });
    });
    worker.on("error", (error) => {
      this.#log.warn("a job's thread ended", { kind: task.kind, error });
      set({
        state: "failed",
        problem: `it broke off: ${error instanceof Error ? error.message : error}`.slice(0, 300),
      });
    });
    worker.on("exit", () => {
      clearTimeout(late);
      if (this.#entries.get(key)?.job.state === "running") set({ state: "failed", problem: "it was broken off" });
      this.#running = undefined;
      this.#next();
    });
  }
}
