import { type Clock, inTime } from "../../platform/clock.ts";
import { describeError } from "../../platform/log.ts";
import type { Told } from "./told.ts";
import type { Sample, Usage, UsageSource } from "./usage.ts";

export interface SamplerOptions {
  readonly sampleMs: number;
  /** Finds the database's processes, again after each restart. Rejects with one line while it is away. */
  readonly find: () => Promise<UsageSource>;
  /** Hands samples over; rejects when they did not arrive, with `SamplesRefused` when they never will. */
  readonly post: (samples: readonly Sample[]) => Promise<void>;
  readonly clock: Clock;
  readonly told: Told;
}

/** The gatekeeper will never take these samples: the same once more would only be refused again. */
export class SamplesRefused extends Error {
  override readonly name = "SamplesRefused";
}

/** What `POST /usage` takes at once. */
const mostAtOnce = 100;
/** Kept while the gatekeeper is away: older ones would come too late for any window. */
const mostKept = 600;
const findAgainMs = 500;
/** Wall and monotonic clock may drift apart by so much between two samples; more is a jump. */
const jumpMs = 250;
const postTimeoutMs = 2_000;
const postAgainMs = 250;

/** Reads a database's usage every `sampleMs` and posts each stretch, whatever comes and goes meanwhile. */
export class Sampler {
  readonly #options: SamplerOptions;
  #kept: Sample[] = [];
  #posting = false;
  #previous: { readonly usage: Usage; readonly monotonic: number; readonly wall: number } | undefined;

  constructor(options: SamplerOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, sampleMs, find, told } = this.#options;
    while (!signal.aborted) {
      let source: UsageSource;
      try {
        source = await find();
        told.news("source", `measuring ${source.description}`);
      } catch (error) {
        told.trouble("source", `nothing is measured: ${describeError(error)}`);
        await clock.sleep(findAgainMs, signal);
        continue;
      }
      this.#previous = undefined;
      let due = clock.monotonic();
      while (!signal.aborted && this.step(source)) {
        void this.#send(signal);
        // A pause that was slept too long is not made up for.
        due = Math.max(due + sampleMs, clock.monotonic());
        await clock.sleep(due - clock.monotonic(), signal);
      }
    }
  }

  /** Reads once; false when the server is gone. What it did last is lost with it, at most one sample. */
  step(source: UsageSource): boolean {
    const { clock, told } = this.#options;
    const usage = source.read();
    if (!usage) return false;
    const monotonic = clock.monotonic();
    const now = clock.now();
    const before = this.#previous;
    if (!before) {
      this.#previous = { usage, monotonic, wall: now };
      return true;
    }
    const elapsed = monotonic - before.monotonic;
    if (elapsed <= 0) return true;
    const ahead = now - (before.wall + elapsed);
    const jumped = Math.abs(ahead) > jumpMs;
    if (jumped) {
      const seconds = (Math.abs(ahead) / 1_000).toFixed(1);
      told.trouble(
        "clock",
        `the clock jumped ${seconds} s ${ahead > 0 ? "ahead" : "back"} at ${new Date(now).toISOString()}`,
      );
    }
    // Stretches adjoin each other, to the wall clock's millisecond; after a jump they begin anew.
    const from = jumped ? now - elapsed : before.wall;
    const to = Math.max(jumped ? now : before.wall + elapsed + ahead / 10, from + 1);
    this.#previous = { usage, monotonic, wall: to };
    this.#keep({
      from,
      to,
      cpuMs: Math.max(0, usage.cpuMs - before.usage.cpuMs),
      ioKiB: Math.max(0, usage.ioKiB - before.usage.ioKiB),
      memoryMiB: Math.max(0, usage.memoryMiB),
    });
    return true;
  }

  #keep(sample: Sample): void {
    this.#kept.push(sample);
    if (this.#kept.length > mostKept) this.#kept.splice(0, this.#kept.length - mostKept);
  }

  /** One request at a time; what comes meanwhile goes with the next. */
  async #send(signal: AbortSignal): Promise<void> {
    if (this.#posting || this.#kept.length === 0) return;
    const { clock, post, told } = this.#options;
    this.#posting = true;
    const samples = this.#kept.splice(0, mostAtOnce);
    try {
      await inTime(clock, post(samples), { ms: postTimeoutMs, message: "no answer in time", signal });
      told.fine("gatekeeper", "the gatekeeper takes samples again");
    } catch (error) {
      if (!signal.aborted) told.trouble("gatekeeper", `the gatekeeper does not take samples: ${describeError(error)}`);
      if (!(error instanceof SamplesRefused)) {
        this.#kept = [...samples, ...this.#kept].slice(-mostKept);
        await clock.sleep(postAgainMs, signal);
      }
    } finally {
      this.#posting = false;
    }
  }
}
