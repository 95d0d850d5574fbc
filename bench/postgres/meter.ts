import { setTimeout as sleep } from "node:timers/promises";
import { ProcessTree } from "../../services/sampler/process-tree.ts";

export const meterEveryMs = 100;

/** The bench's own readings of a server's processor time, apart from sampler and gatekeeper. */
export class Meter {
  readonly #readings: {
    readonly at: number;
    readonly cpuMs: number;
    readonly ioKiB: number;
    readonly memoryMiB: number;
  }[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(pid: number) {
    const tree = new ProcessTree({ pid });
    this.#running = this.#run(tree);
  }

  async #run(tree: ProcessTree): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const usage = tree.read();
      if (usage) this.#readings.push({ at: performance.timeOrigin + performance.now(), ...usage });
      await sleep(meterEveryMs);
    }
  }

  /** CPU ms, KiB and mean MiB between two moments (Unix ms), between readings by a straight line. */
  between(from: number, to: number): { cpuMs: number; ioKiB: number; memoryMiB: number } {
    const [one, other] = [this.#at(from), this.#at(to)];
    const within = this.#readings.filter(({ at }) => at >= from && at < to);
    const memory = within.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0) / Math.max(1, within.length);
    return { cpuMs: other.cpuMs - one.cpuMs, ioKiB: other.ioKiB - one.ioKiB, memoryMiB: memory };
  }

  #at(time: number): { cpuMs: number; ioKiB: number } {
    const next = this.#readings.findIndex(({ at }) => at >= time);
    const [before, after] = [this.#readings[next - 1], this.#readings[next]];
    if (!before || !after) throw new Error("the meter did not run then");
    const share = (time - before.at) / (after.at - before.at);
    return {
      cpuMs: before.cpuMs + share * (after.cpuMs - before.cpuMs),
      ioKiB: before.ioKiB + share * (after.ioKiB - before.ioKiB),
    };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
