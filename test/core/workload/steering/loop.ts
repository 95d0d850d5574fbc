import { isInBand } from "../../../../core/workload/measures.ts";
import { defaultKnobs } from "../../../../core/workload/steering/knobs.ts";
import { createSteering } from "../../../../core/workload/steering/steering.ts";
import type {
  CostEstimate,
  Knobs,
  Placement,
  Steering,
  SteeringApi,
  TickObservation,
} from "../../../../core/workload/types.ts";
import { Engine, type Step } from "../../../../sim-server/database/engine.ts";
import { parseParameters } from "../../../../sim-server/database/parameters.ts";

export interface Loop {
  readonly engine: Engine;
  readonly steering: Steering;
  /** One tick of the server, then of the steering; what it did and what was placed. */
  tick(): { readonly step: Step; readonly placements: readonly Placement[] };
}

export const exact = (mean: readonly [number, number, number]): CostEstimate => ({
  mean,
  sd: [0, 0, 0],
  seen: 1000,
  lastSeenAt: 0,
});

export function truthOf(engine: Engine): Map<string, CostEstimate> {
  return new Map(Array.from(engine.truth(), ([id, cost]) => [id, exact(cost)]));
}

export function observationOf({ tick, executed, arrived, window }: Step): TickObservation {
  if (!window) return { tick, executed, arrived };
  const { firstTick, cpu, io, memory } = window;
  return { tick, executed, arrived, window: { firstTick, bounds: "exact", metrics: { cpu, io, memory } } };
}

/** The simulated database under steering that knows the true costs (unless `costs` says otherwise), in virtual time. */
export function createLoop(options: {
  readonly parameters?: object;
  readonly seed?: number;
  readonly knobs?: Partial<Knobs>;
  readonly api?: SteeringApi;
  readonly costs?: (engine: Engine) => ReadonlyMap<string, CostEstimate>;
  readonly saved?: unknown;
}): Loop {
  const { parameters = {}, seed = 1, knobs = {}, api = "place", costs = truthOf, saved } = options;
  const engine = new Engine(parseParameters({ ...parameters, seed }, "test"));
  const { tickMs, windowTicks, defaultDelayTicks } = engine.parameters;
  const steering = createSteering({
    clockwork: { tickMs, windowTicks, defaultDelayTicks },
    knobs: { ...defaultKnobs, ...knobs },
    api,
    seed,
    saved,
  });
  steering.resume(-1, []);
  steering.setCosts(costs(engine), exact([47, 47, 47]));
  const due = new Map<string, number>();
  return {
    engine,
    steering,
    tick() {
      const step = engine.step();
      for (const { id, tick } of step.arrived) due.set(id, tick);
      steering.observe(observationOf(step));
      const placements = steering.plan(() => 0);
      for (const { id, tick } of placements) {
        if (api === "place") engine.place(id, tick);
        else engine.delay(id, tick - (due.get(id) ?? tick));
        due.set(id, tick);
      }
      return { step, placements };
    },
  };
}

/** The share of windows in band over `ticks` ticks after `warmup`. */
export function shareInBand(loop: Loop, ticks: number, warmup = 600): number {
  let [windows, level] = [0, 0];
  for (let at = 0; at < warmup + ticks; at++) {
    const { window } = loop.tick().step;
    if (!window || at < warmup) continue;
    windows++;
    if (isInBand(window)) level++;
  }
  return level / windows;
}
