import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type InferredGap,
  type InferredTick,
  type InferredWindow,
  TapInference,
} from "../../../core/workload/tap-inference.ts";

/** A plain server on a time line of its own, and a tap that polls it, all in virtual milliseconds. */
interface World {
  readonly tickMs: number;
  readonly phase: number;
  /** How far single ticks stray. */
  readonly jitterMs: number;
  readonly pollMs: readonly [number, number];
  readonly refreshPhase: number;
  readonly perTick: number;
  readonly seed: number;
  /** Share of requests whose answer, or which itself, takes 50 to 300 ms. */
  readonly stalls: number;
  /** The tap delays executions by so many ticks. */
  readonly delays: readonly number[];
}

function generator(seed: number): () => number {
  // Mulberry32, public domain.
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const bandOf = (value: number) => ({ average: value, min: value, max: value });

function run(world: World, seconds: number, order: "told" | "reversed" = "told") {
  const random = generator(world.seed);
  const inference = new TapInference({ tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 });
  const truth = new Map<string, { tick: number; arrived: number; ranAt: number }>();
  const queue = new Map<string, { arrived: number; due: number }>();
  let tick = -1;
  let nextTickAt = world.phase;
  let nextRefreshAt = world.refreshPhase;
  let refresh = 0;
  let names = 0;
  const advanceTo = (time: number) => {
    for (;;) {
      const at = Math.min(nextTickAt, nextRefreshAt);
      if (at > time) return;
      if (at === nextRefreshAt) {
        refresh++;
        nextRefreshAt += world.tickMs * 10;
        continue;
      }
      tick++;
      nextTickAt = world.phase + (tick + 1) * world.tickMs + (random() - 0.5) * 2 * world.jitterMs;
      for (const [id, { arrived, due }] of queue) {
        if (due > tick) continue;
        truth.set(id, { tick, arrived, ranAt: at });
        queue.delete(id);
      }
      const count = Math.floor(world.perTick + random());
      for (let k = 0; k < count; k++) queue.set(`e${names++}`, { arrived: tick, due: tick + 1 });
    }
  };
  const ticks: InferredTick[] = [];
  const windows: InferredWindow[] = [];
  const gaps: InferredGap[] = [];
  let delayed = 0;
  let now = 0;
  while (now < seconds * 1000) {
    const ask = (answer: () => void) => {
      const sentAt = now;
      const travel = () => 0.5 + random() * 2 + (random() < world.stalls ? 50 + random() * 250 : 0);
      now += travel();
      advanceTo(now);
      answer();
      now += travel();
      return { sentAt, receivedAt: now };
    };
    let entries: { id: string; queryId: string }[] = [];
    const span = ask(() => {
      entries = Array.from(queue.keys(), (id) => ({ id, queryId: `q${id}` }));
    });
    const inferred = inference.queued({ ...span, entries: order === "told" ? entries : entries.slice(0, -1) });
    for (const { arrived } of inferred.ticks) {
      for (const { id } of arrived) {
        const ticksMore = world.delays[delayed++ % Math.max(1, world.delays.length)] ?? 0;
        const entry = queue.get(id);
        if (ticksMore === 0 || !entry) continue;
        entry.due += ticksMore;
        inference.delayed(id, ticksMore, "yes");
      }
    }
    ticks.push(...inferred.ticks);
    gaps.push(...inferred.gaps);
    windows.push(...inferred.windows);
    const due = inference.refreshDueAt;
    if (due === undefined || now > due - 60) {
      let seen = 0;
      const resourcesSpan = ask(() => {
        seen = refresh;
      });
      const timestamp = world.refreshPhase + (seen - 1) * world.tickMs * 10;
      const metrics = { cpu: bandOf(seen), io: bandOf(seen), memory: bandOf(seen) };
      windows.push(...inference.resources({ ...resourcesSpan, timestamp, metrics }).windows);
    }
    now += world.pollMs[0] + random() * (world.pollMs[1] - world.pollMs[0]);
  }
  const found = new Map(
    ticks.flatMap(({ tick: at, executed }) => executed.map(({ id, arrivedTick }) => [id, { tick: at, arrivedTick }])),
  );
  const offsets = new Map<number, number>();
  for (const [id, { tick: real }] of truth) {
    const inferred = found.get(id);
    if (inferred) offsets.set(inferred.tick - real, (offsets.get(inferred.tick - real) ?? 0) + 1);
  }
  const agreeing = Math.max(0, ...offsets.values());
  return { truth, found, ticks, windows, gaps, waiting: queue, agreeing };
}

const world = fc.record({
  tickMs: fc.double({ min: 99, max: 101, noNaN: true }),
  phase: fc.double({ min: 150, max: 300, noNaN: true }),
  jitterMs: fc.double({ min: 0, max: 4, noNaN: true }),
  pollMs: fc.constantFrom([15, 35] as const, [20, 30] as const, [30, 50] as const),
  refreshPhase: fc.double({ min: 300, max: 1300, noNaN: true }),
  perTick: fc.double({ min: 0.5, max: 15, noNaN: true }),
  seed: fc.integer(),
  stalls: fc.constant(0),
  delays: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 5 }),
});

describe("what a tap infers from polling", () => {
  it("finds every execution once, in the right tick but for a constant", () => {
    fc.assert(
      fc.property(world, (given) => {
        const { truth, found, ticks, gaps, agreeing } = run(given, 30);
        const missing = [...truth.keys()].filter((id) => !found.has(id));
        // What ran in the last instants has not been seen yet.
        expect(missing.length).toBeLessThanOrEqual(2 * 16);
        expect([...found.keys()].filter((id) => !truth.has(id))).toEqual([]);
        const all = ticks.flatMap(({ executed }) => executed.map(({ id }) => id));
        expect(new Set(all).size).toBe(all.length);
        expect(ticks.map(({ tick }) => tick)).toEqual(ticks.map((_, index) => index));
        expect(gaps).toEqual([]);
        expect(agreeing / Math.max(1, found.size)).toBeGreaterThan(0.98);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("tells a gap for whatever it missed while answers were slow, and finds the rest once", () => {
    fc.assert(
      fc.property(world, (calm) => {
        const { truth, found, ticks, gaps, agreeing } = run({ ...calm, stalls: 0.01 }, 30);
        for (const [id, { ranAt }] of truth) {
          if (found.has(id) || ranAt > 29_500) continue;
          expect(gaps.some(({ from, to }) => from <= ranAt && ranAt <= to)).toBe(true);
        }
        const all = ticks.flatMap(({ executed }) => executed.map(({ id }) => id));
        expect(new Set(all).size).toBe(all.length);
        expect(agreeing / Math.max(1, found.size)).toBeGreaterThan(0.5);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("is told apart from one that overlooks the newest execution of each poll", () => {
    const given = {
      tickMs: 100,
      phase: 200,
      jitterMs: 0,
      refreshPhase: 700,
      perTick: 1,
      seed: 1,
      stalls: 0,
      delays: [],
    };
    const { truth, found } = run({ ...given, pollMs: [20, 30] }, 30, "reversed");
    expect([...truth.keys()].filter((id) => !found.has(id)).length).toBeGreaterThan(32);
  });

  it("gives windows of nine to eleven ticks that adjoin and hold what ran", () => {
    fc.assert(
      fc.property(world, (given) => {
        const { windows, ticks } = run(given, 30);
        expect(windows.length).toBeGreaterThanOrEqual(20);
        for (const [index, window] of windows.entries()) {
          expect(window.ticks.length).toBeGreaterThanOrEqual(9);
          expect(window.ticks.length).toBeLessThanOrEqual(11);
          const next = windows[index + 1];
          if (next) expect(next.firstTick).toBe(window.firstTick + window.ticks.length);
          for (const [offset, queryIds] of window.ticks.entries()) {
            const ran = ticks[window.firstTick + offset]?.executed.map(({ queryId }) => queryId);
            expect(queryIds).toEqual(ran);
          }
        }
      }),
      { numRuns: 30, seed: 1 },
    );
  });
});
