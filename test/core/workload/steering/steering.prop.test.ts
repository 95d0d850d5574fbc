import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Placement, SteeringApi } from "../../../../core/workload/types.ts";
import { createLoop } from "./loop.ts";

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
