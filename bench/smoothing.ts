/** `bench smoothing`: how level the load is and what it costs in delay, in virtual time. */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { defaultKnobs } from "../core/workload/steering/knobs.ts";
import { createSteering } from "../core/workload/steering/steering.ts";
import type { CostEstimate, Placement, SteeringApi } from "../core/workload/types.ts";
import { createFifo, createNone, type Policy } from "../core/workload/what-if/baselines.ts";
import { Engine, type Step } from "../sim-server/database/engine.ts";
import { loadParameters, scenarioNames } from "../sim-server/database/parameters.ts";
import { createCostSource } from "./smoothing/costs.ts";
import { createMeasures, type Measures } from "./smoothing/measures.ts";
import { observationOf } from "./smoothing/observation.ts";
import { choice, positive, print, wholeNumber } from "./smoothing/options.ts";

const help = `Level load against delay, in virtual time: the same seed gives the same numbers (but for planning times).

  bench smoothing [options]

  --scenario <name|file>  ${scenarioNames.join(", ")}, or a parameter file (default)
  --seed <n>              of the world and its traffic (1)
  --minutes <n>           measured minutes; 34 is a whole season (34)
  --warmup <n>            minutes before measuring (5)
  --costs <learned|true>  costs from the estimator, or the engine's truth (learned)
  --policy <planner|none|fifo>   (planner)
  --api <place|delay>     what the server takes (place)
  --latency-p95 <s>       the latency budget (by scenario: double 1.8, five 0.8, ten 0.4, else 6)
  --burst <mean ticks>    with --api delay: what may fall due in one tick if the scheduler dies (the knob's default)
  --json                  one JSON line for machines
`;

/** Latency budgets, in seconds, where none is given. */
const budgets: ReadonlyMap<string, number> = new Map([
  ["double", 1.8],
  ["five", 0.8],
  ["ten", 0.4],
]);

export interface SmoothingOptions {
  readonly scenario: string;
  readonly seed: number;
  readonly minutes: number;
  readonly warmup: number;
  readonly costs: "learned" | "true";
  readonly policy: "planner" | "none" | "fifo";
  readonly api: SteeringApi;
  /** Seconds. */
  readonly latencyP95: number;
  /** With api `delay`: what may fall due in one tick should the scheduler die, in mean ticks. */
  readonly burst: number;
}

/** @throws Error with one line for the user when an option is unknown or impossible; undefined when help was asked for */
export function parseSmoothingOptions(args: string[]): (SmoothingOptions & { readonly json: boolean }) | undefined {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "34" },
      warmup: { type: "string", default: "5" },
      costs: { type: "string", default: "learned" },
      policy: { type: "string", default: "planner" },
      api: { type: "string", default: "place" },
      "latency-p95": { type: "string" },
      burst: { type: "string", default: String(defaultKnobs.burst) },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    scenario: values.scenario,
    seed: wholeNumber("seed", values.seed, 0xffffffff),
    minutes: positive("minutes", values.minutes),
    warmup: wholeNumber("warmup", values.warmup, 1_000_000),
    costs: choice("costs", values.costs, ["learned", "true"]),
    policy: choice("policy", values.policy, ["planner", "none", "fifo"]),
    api: choice("api", values.api, ["place", "delay"]),
    latencyP95: positive("latency-p95", values["latency-p95"] ?? String(budgets.get(values.scenario) ?? 6)),
    burst: positive("burst", values.burst),
    json: values.json,
  };
}

function createPolicy(
  options: SmoothingOptions,
  engine: Engine,
): Policy & { setCosts?(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void } {
  const { tickMs, windowTicks, defaultDelayTicks } = engine.parameters;
  switch (options.policy) {
    case "none":
      return createNone();
    case "fifo":
      return createFifo(windowTicks, defaultDelayTicks);
    case "planner": {
      const steering = createSteering({
        clockwork: { tickMs, windowTicks, defaultDelayTicks },
        knobs: { ...defaultKnobs, latencyP95Seconds: options.latencyP95, burst: options.burst },
        api: options.api,
        seed: options.seed,
      });
      steering.resume(-1, []);
      return {
        observe: (tick) => steering.observe(tick),
        plan: () => steering.plan(() => 0),
        setCosts: (costs, prior) => steering.setCosts(costs, prior),
      };
    }
  }
}

/** Runs one scenario from tick 0 through warm-up and measured minutes. */
export function simulate(options: SmoothingOptions): Measures {
  const parameters = { ...loadParameters(options.scenario), seed: options.seed };
  const engine = new Engine(parameters);
  const ticksPerMinute = 60_000 / parameters.tickMs;
  const warmupTicks = Math.round(options.warmup * ticksPerMinute);
  const lastTick = warmupTicks + Math.round(options.minutes * ticksPerMinute);
  const policy = createPolicy(options, engine);
  const costs = createCostSource(options.costs, engine);
  const measures = createMeasures(engine, warmupTicks);
  const act = createActor(engine, options.policy === "planner" ? options.api : "place");
  for (let tick = 0; tick < lastTick; tick++) {
    const step = engine.step();
    measures.note(step);
    const renewed = costs.after(step);
    if (renewed) policy.setCosts?.(renewed.costs, renewed.prior);
    const begin = performance.now();
    policy.observe(observationOf(step));
    const placements = policy.plan();
    measures.notePlanning(performance.now() - begin);
    act(step, placements);
    measures.notePlaced();
  }
  return measures.result();
}

/** Carries placements out as the server's API allows: by setting an execution's tick, or only by adding to its delay. */
function createActor(engine: Engine, api: SteeringApi): (step: Step, placements: readonly Placement[]) => void {
  if (api === "place") {
    return (_, placements) => {
      for (const { id, tick } of placements) engine.place(id, tick);
    };
  }
  const due = new Map<string, number>();
  return ({ arrived, executed }, placements) => {
    for (const { id, tick } of arrived) due.set(id, tick);
    for (const { id } of executed) due.delete(id);
    for (const { id, tick } of placements) {
      const now = due.get(id) ?? tick;
      if (tick < now) throw new Error(`planner: ${id} was pulled forward from tick ${now} to ${tick}`);
      engine.delay(id, tick - now);
      due.set(id, tick);
    }
  };
}

export async function smoothing(args: string[]): Promise<void> {
  const options = parseSmoothingOptions(args);
  if (!options) process.stdout.write(help);
  else print(simulate(options), options.json);
}
