import { setTimeout as sleep } from "node:timers/promises";

/** Asks every 100 ms until `done` says so; returns the last answer, also when the time is over: assert on it. */
export async function eventually<T>(
  ask: () => Promise<T>,
  done: (answer: T) => boolean,
  deadlineMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (done(answer) || performance.now() > deadline) return answer;
    await sleep(100);
  }
}
