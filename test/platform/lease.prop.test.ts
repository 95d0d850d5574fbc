import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createLease, type LeaseItem, type LeaseStore } from "../../platform/lease.ts";
import { FakeClock } from "../support/clock.ts";

/** What a call to the table meets: how long request and answer travel, and whether either is lost. */
const journey = fc.record({
  thereMs: fc.integer({ min: 0, max: 1_500 }),
  backMs: fc.integer({ min: 0, max: 1_500 }),
  lost: fc.constantFrom("no", "no", "no", "no", "request", "answer"),
});
type Journey = typeof journey extends fc.Arbitrary<infer Value> ? Value : never;

const lives = fc.array(
  fc.record({
    slot: fc.constantFrom("a", "b", "c"),
    startsAt: fc.integer({ min: 0, max: 20_000 }),
    /** Killed: it just stops; what it had sent still arrives. */
    diesAfter: fc.integer({ min: 0, max: 20_000 }),
    journeys: fc.array(journey, { minLength: 1, maxLength: 8 }),
  }),
  { minLength: 2, maxLength: 5 },
);

/** Runs processes against one table. Returns the names that held the lease, at each 50 ms, and the tokens in order. */
async function run(processes: typeof lives extends fc.Arbitrary<infer Value> ? Value : never, writtenMs: number) {
  const clock = new FakeClock();
  let item: LeaseItem | undefined;
  let nonces = 0;
  const tokens: number[] = [];
  const running = processes.map(({ slot, startsAt, diesAfter, journeys }) => {
    let calls = 0;
    async function travel<Result>(effect: () => Result): Promise<Result> {
      const { thereMs, backMs, lost }: Journey = journeys[calls++ % journeys.length] ?? {
        thereMs: 0,
        backMs: 0,
        lost: "no",
      };
      await clock.sleep(thereMs);
      if (lost === "request") throw new Error("lost");
      const result = effect();
      await clock.sleep(backMs);
      if (lost === "answer") throw new Error("lost");
      return result;
    }
    const store: LeaseStore = {
      read: () => travel(() => item),
      swap: (expected, next) =>
        travel(() => {
          if (item?.renewal !== expected) return "conflict";
          if (next.token !== item?.token) tokens.push(next.token);
          item = { ...next, durationMs: writtenMs };
          return "written";
        }),
    };
    const lease = createLease({ store, slot, clock, nonce: () => `n${nonces++}`, durationMs: 4_000 });
    const killed = new AbortController();
    void (async () => {
      await clock.sleep(startsAt);
      while (!killed.signal.aborted && (await lease.acquire(killed.signal))) await lease.keep(killed.signal);
    })();
    void clock.sleep(startsAt + diesAfter).then(() => killed.abort());
    return { slot, lease, killed };
  });
  const holders: string[][] = [];
  for (let at = 0; at < 45_000; at += 50) {
    await clock.advance(50);
    const alive = running.filter(({ lease, killed }) => !killed.signal.aborted && lease.remainingMs() > 0);
    holders.push([...new Set(alive.map(({ slot }) => slot))]);
  }
  return { holders, tokens };
}

describe("a lease among processes with slow and lossy ways to the table", () => {
  it("is never held under two names at once, and its tokens only grow", async () => {
    await fc.assert(
      fc.asyncProperty(lives, async (processes) => {
        const { holders, tokens } = await run(processes, 4_000);
        for (const names of holders) expect(names.length).toBeLessThanOrEqual(1);
        expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
        expect(new Set(tokens).size).toBe(tokens.length);
      }),
      { numRuns: 60, seed: 1 },
    );
  }, 60_000);

  it("would be held twice if a candidate counted less time than the holder", async () => {
    const quick = [{ thereMs: 5, backMs: 5, lost: "no" as const }];
    const stuck = [...quick, ...quick, ...Array(20).fill({ thereMs: 1_000, backMs: 0, lost: "request" as const })];
    const { holders } = await run(
      [
        { slot: "a", startsAt: 0, diesAfter: 20_000, journeys: stuck },
        { slot: "b", startsAt: 0, diesAfter: 20_000, journeys: quick },
      ],
      2_000,
    );
    expect(holders.some((names) => names.length > 1)).toBe(true);
  });
});
