import { createSteering } from "../steering/steering.ts";
import type { Knobs, SteeringApi } from "../types.ts";
import { createFifo, createNone, type Policy } from "./baselines.ts";
import type { Costs, Recording } from "./recording.ts";
import { type Measures, Tally } from "./tally.ts";
import { World } from "./world.ts";

export const policies = ["planner", "fifo", "none"] as const;
export type PolicyName = (typeof policies)[number];

export interface ReplayOptions {
  readonly recording: Recording;
  readonly costs: Costs;
  readonly policy: PolicyName;
  readonly api: SteeringApi;
  readonly knobs: Knobs;
  readonly seed: number;
  /** Ticks that run before anything is counted: the planner begins without knowing the traffic. */
  readonly warmupTicks: number;
}

/** Work that can be interrupted: yields the share that is done, returns the result. */
export type Progress<Result> = Generator<number, Result, undefined>;

const ticksPerYield = 100;

/**
 * Runs recorded traffic again under another policy. Deterministic: equal options give equal measures.
 * @throws KnobsError when no plan can follow the knobs
 */
export function* replay(options: ReplayOptions): Progress<Measures> {
  const { recording, costs, policy, knobs, warmupTicks } = options;
  const { tickMs } = recording.clockwork;
  const api = policy === "planner" ? options.api : "place";
  const world = new World(recording, costs, api);
  const chosen = createPolicy(options);
  const tally = new Tally(tickMs, knobs.bandWidth);
  let waited = false;
  let ran = 0;
  for (let tick = 0; tick < recording.ticks; tick++) {
    waited ||= world.backlog > 0;
    const step = world.step();
    const { executed, arrived, window } = step;
    ran += executed.length;
    if (tick >= warmupTicks) {
      tally.arrived(arrived.length);
      tally.used(world.usage);
      for (const { arrivedTick } of executed) tally.executed(tick - arrivedTick);
    }
    if (window) {
      if (window.firstTick >= warmupTicks) tally.window(window.metrics, ran, waited);
      waited = false;
      ran = 0;
    }
    chosen.observe(step);
    world.place(chosen.plan());
    if (tick >= warmupTicks) tally.couldFallDue(world.burst());
    if (tick % ticksPerYield === 0) yield tick / recording.ticks;
  }
  for (const age of world.ages()) tally.stillWaits(age);
  return tally.result();
}

/** Runs work to its end without a pause. */
export function runToEnd<Result>(work: Progress<Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

function createPolicy({ recording, costs, policy, api, knobs, seed }: ReplayOptions): Policy {
  const { clockwork } = recording;
  switch (policy) {
    case "none":
      return createNone();
    case "fifo":
      return createFifo(clockwork.windowTicks, clockwork.defaultDelayTicks);
    case "planner": {
      const steering = createSteering({ clockwork, knobs, api, seed });
      steering.resume(-1, []);
      steering.setCosts(costs.costs, costs.prior);
      return {
        observe: (tick) => steering.observe(tick),
        // Bounded by counts, not by the clock: the result must not depend on this machine.
        plan: () => steering.plan(() => 0),
      };
    }
  }
}
