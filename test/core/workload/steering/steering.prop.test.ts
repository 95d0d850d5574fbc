import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { CostEstimate, Placement, SteeringApi } from "../../../../core/workload/types.ts";
import { createLoop, exact } from "./loop.ts";

type Meddle = (placement: Placement) => Placement;

/**
 * Runs a random world and returns what the steering did wrong: placed before the default delay or in the past, pulled
 * forward with api `delay`, placed what does not wait, or let something wait for more than three budgets.
 */
function faults(
  world: { seed: number; mean: number; delay: number; budget: number },
  api: SteeringApi,
  meddle: Meddle = (p) => p,
) {
  const loop = createLoop({
    seed: world.seed,
    api,
    parameters: { arrivals: { mean: world.mean }, defaultDelayTicks: world.delay },
    knobs: { latencyP95Seconds: world.budget },
  });
  const earliest = new Map<string, number>();
  const due = new Map<string, number>();
  const found = new Set<string>();
  for (let at = 0; at < 700; at++) {
    const { step, placements } = loop.tick();
    for (const { id, arrivedTick, tick } of step.arrived) {
      earliest.set(id, arrivedTick + Math.max(1, world.delay));
      due.set(id, tick);
    }
    for (const { id, arrivedTick } of step.executed) {
      due.delete(id);
      if (step.tick - arrivedTick > 30 * world.budget + 5) found.add("starved");
    }
    for (const { id, tick } of placements.map(meddle)) {
      if (!due.has(id)) found.add("unknown");
      if (tick < (earliest.get(id) ?? 0)) found.add("before its default delay");
      if (tick <= step.tick) found.add("in the past");
      if (api === "delay" && tick <= (due.get(id) ?? 0)) found.add("pulled forward");
      due.set(id, tick);
    }
  }
  return [...found];
}

const world = fc.record({
  seed: fc.integer({ min: 0, max: 1000 }),
  mean: fc.constantFrom(0.004, 0.01, 0.02, 0.05),
  delay: fc.integer({ min: 0, max: 12 }),
  budget: fc.constantFrom(2, 4, 8),
});

describe.each<SteeringApi>(["place", "delay"])("steering with api %s", (api) => {
  it("keeps the default delay, never goes back, and starves nothing", () => {
    fc.assert(
      fc.property(world, (w) => {
        expect(faults(w, api)).toEqual([]);
      }),
      { numRuns: 12, seed: 1 },
    );
  });

  it("would be caught if it ran things a tick early", () => {
    const early: Meddle = ({ id, tick }) => ({ id, tick: tick - 3 });
    expect(faults({ seed: 1, mean: 0.01, delay: 2, budget: 4 }, api, early)).toContain("before its default delay");
  });
});

/**
 * The most that what a random world's steering held would have added to a later tick, had it died at any moment, in mean
 * ticks of the worst resource. Not counted: the very next tick, which holds what was chosen for it, and ticks that hold
 * one execution alone. Costs are renewed now and then, each time off by up to a tenth.
 */
function worstBurst(world: { seed: number; mean: number; budget: number }, meddle: Meddle = (p) => p) {
  const loop = createLoop({
    seed: world.seed,
    parameters: { arrivals: { mean: world.mean } },
    knobs: { latencyP95Seconds: world.budget },
  });
  const { engine, steering } = loop;
  const random = fc.sample(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { numRuns: 1000, seed: world.seed });
  const total = [0, 0, 0];
  const worst = [0, 0, 0];
  const ticks = 1200;
  const truth = engine.truth();
  for (let at = 0; at < ticks; at++) {
    if (at % 200 === 199) {
      const off = Array.from(truth, ([id, cost], i): [string, CostEstimate] => {
        const factor = random[(i + at) % random.length] ?? 1;
        return [id, exact([cost[0] * factor, cost[1] * factor, cost[2] * factor])];
      });
      steering.setCosts(new Map(off), exact([47, 47, 47]));
    }
    for (const placement of loop.tick().placements) engine.place(placement.id, meddle(placement).tick);
    for (const [r, usage] of engine.lastUsage().entries()) total[r] = (total[r] ?? 0) + usage;
    const due = new Map<number, { count: number; sum: number[] }>();
    for (const { queryId, tick } of engine.queued()) {
      if (tick <= engine.tick + 1) continue;
      const slot = due.get(tick) ?? { count: 0, sum: [0, 0, 0] };
      slot.count++;
      for (const [r, cost] of (truth.get(queryId) ?? []).entries()) slot.sum[r] = (slot.sum[r] ?? 0) + cost;
      due.set(tick, slot);
    }
    for (const { count, sum } of due.values())
      if (count > 1) for (const [r, used] of sum.entries()) worst[r] = Math.max(worst[r] ?? 0, used);
  }
  return Math.max(...worst.map((used, r) => (used * ticks) / (total[r] ?? 1)));
}

describe("a scheduler that dies at any moment", () => {
  it("leaves no later tick with more than 1.5 mean ticks of what it held", () => {
    const dying = fc.record({
      seed: fc.integer({ min: 0, max: 1000 }),
      mean: fc.constantFrom(0.006, 0.01, 0.014, 0.03),
      budget: fc.constantFrom(1, 4, 12),
    });
    fc.assert(
      fc.property(dying, (w) => {
        expect(worstBurst(w)).toBeLessThanOrEqual(1.5);
      }),
      { numRuns: 6, seed: 1 },
    );
  });

  it("would be caught if it parked by tens of ticks", () => {
    const together: Meddle = ({ id, tick }) => ({ id, tick: 10 * Math.ceil(tick / 10) });
    expect(worstBurst({ seed: 1, mean: 0.01, budget: 4 }, together)).toBeGreaterThan(1.5);
  });
});
