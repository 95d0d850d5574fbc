import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

/** Time as a dependency, so that tests need not wait. */
export interface Clock {
  /** Wall clock, Unix ms, an integer; may jump either way. */
  now(): number;
  /** Milliseconds since some fixed moment, with fractions; never goes back. */
  monotonic(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts: look at `signal.aborted` afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest time that a timer takes; a longer one would fire at once. */
const longestTimerMs = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await delay(Math.min(Math.max(0, ms), longestTimerMs), undefined, signal && { signal });
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
  },
};

/**
 * What `work` gives, unless it takes longer than `ms` or `signal` aborts: then it is waited for no more, though it may
 * still go on.
 * @throws Error with `message`
 */
export async function inTime<Value>(
  clock: Clock,
  work: Promise<Value>,
  { ms, message, signal }: { ms: number; message: string; signal: AbortSignal },
): Promise<Value> {
  const done = new AbortController();
  const late = clock.sleep(ms, AbortSignal.any([done.signal, signal])).then(() => {
    throw new Error(message);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
