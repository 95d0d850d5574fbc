/** `bench bound`: what the planner reaches on small instances, beside the exact optimum of one who knows what will arrive. */
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { isInBand } from "../core/workload/measures.ts";
import { defaultKnobs } from "../core/workload/steering/knobs.ts";
import { createSteering } from "../core/workload/steering/steering.ts";
import { Engine, type Step } from "../sim-server/database/engine.ts";
import { loadParameters, type Parameters } from "../sim-server/database/parameters.ts";
import { type Instance, type Job, optimum } from "./bound/optimum.ts";
import { truthOf } from "./smoothing/costs.ts";
import { observationOf } from "./smoothing/observation.ts";
import { positive, print, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `How near the planner comes to the exact optimum, on small instances cut out of its own run: from the same backlog, with
the same arrivals (which the optimum knows beforehand), running no more executions and letting no more become late.

  bench bound [options]

  --scenario <name|file>  (default)
  --seed <n>              (1)
  --instances <n>         (20)
  --windows <n>           of each instance (2)
  --window-ticks <n>      shorter windows make instances that can be solved (3)
  --season <x>            arrivals relative to the season's level 1, held constant (1.2)
  --latency-p95 <s>       the latency budget (1.8, as many windows as 6 s are of ten ticks)
  --time-limit <s>        for each instance (20)
  --json                  one JSON line for machines
`;

// The package declares its types as those of its CommonJS build.
const loadHighs: typeof import("highs").default = createRequire(import.meta.url)("highs");

export interface BoundOptions {
  readonly scenario: string;
  readonly seed: number;
  readonly instances: number;
  readonly windows: number;
  readonly windowTicks: number;
  readonly season: number;
  readonly latencyP95: number;
  readonly timeLimit: number;
}

/** Shares of windows in band. Where no optimum was proven, `bound` counts all windows and `inBand` what was reached. */
export interface Bound {
  readonly instances: number;
  readonly proven: number;
  readonly inBand: number;
  readonly bound: number;
  /** Both over the proven instances only. */
  readonly inBandProven: number;
  readonly optimumProven: number;
}

const warmupWindows = 300;
const between = 10;

/** An instance and what the planner made of it. */
export interface Sample {
  readonly instance: Instance;
  readonly inBand: number;
}

/** Cuts instances out of a run of the planner that knows the true costs. */
export function* samples(options: BoundOptions): Generator<Sample> {
  const { scenario, seed, windows, windowTicks, latencyP95, season } = options;
  const loaded = loadParameters(scenario);
  const parameters: Parameters = {
    ...loaded,
    seed,
    windowTicks,
    arrivals: { ...loaded.arrivals, season: { ...loaded.arrivals.season, level: season, amplitude: 0 } },
  };
  const engine = new Engine(parameters);
  const { tickMs, defaultDelayTicks } = parameters;
  const budgetTicks = Math.floor((latencyP95 * 1000) / tickMs);
  const knobs = { ...defaultKnobs, latencyP95Seconds: latencyP95 };
  const steering = createSteering({ clockwork: { tickMs, windowTicks, defaultDelayTicks }, knobs, api: "place", seed });
  steering.resume(-1, []);
  const truth = truthOf(engine);
  steering.setCosts(truth.costs, truth.prior);
  const step = (): Step => {
    const done = engine.step();
    steering.observe(observationOf(done));
    for (const { id, tick } of steering.plan(() => 0)) engine.place(id, tick);
    return done;
  };
  const run = (count: number) => Array.from({ length: count * windowTicks }, step);
  run(warmupWindows);
  for (;;) {
    run(between);
    const first = engine.tick + 1;
    const waiting = engine.queued();
    const steps = run(windows);
    const executed = steps.flatMap((done) => done.executed.map((entry) => ({ ...entry, ran: done.tick })));
    const arrived = steps.flatMap((done) => done.arrived);
    const jobs = [...waiting, ...arrived].map(({ queryId, arrivedTick }): Job => {
      const earliest = Math.max(0, arrivedTick + Math.max(1, defaultDelayTicks) - first);
      return { cost: truth.costs.get(queryId)?.mean ?? [0, 0, 0], earliest, due: arrivedTick + budgetTicks - first };
    });
    const ran = new Map(executed.map(({ id, ran: tick }) => [id, tick]));
    const mostLate = [...waiting, ...arrived].filter(({ id, arrivedTick }) => {
      const due = arrivedTick + budgetTicks;
      return due >= first && due < first + windows * windowTicks && (ran.get(id) ?? Number.POSITIVE_INFINITY) > due;
    }).length;
    const level = steps.filter(({ window, executed: last }) => window && last.length > 0 && isInBand(window)).length;
    const { bandWidth } = knobs;
    const mostRun = executed.length;
    yield { instance: { jobs, windows, windowTicks, bandWidth, mostRun, mostLate }, inBand: level };
  }
}

export async function bound(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      seed: { type: "string", default: "1" },
      instances: { type: "string", default: "20" },
      windows: { type: "string", default: "2" },
      "window-ticks": { type: "string", default: "3" },
      season: { type: "string", default: "1.2" },
      "latency-p95": { type: "string", default: "1.8" },
      "time-limit": { type: "string", default: "20" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const options: BoundOptions = {
    scenario: values.scenario,
    seed: wholeNumber("seed", values.seed, 0xffffffff),
    instances: Math.max(1, wholeNumber("instances", values.instances, 10_000)),
    windows: Math.max(1, wholeNumber("windows", values.windows, 20)),
    windowTicks: Math.max(2, wholeNumber("window-ticks", values["window-ticks"], 50)),
    season: positive("season", values.season),
    latencyP95: positive("latency-p95", values["latency-p95"]),
    timeLimit: positive("time-limit", values["time-limit"]),
  };
  print(await measure(options), values.json);
}

/** Solves the first instances of a run. */
export async function measure(options: BoundOptions): Promise<Bound> {
  const highs = await loadHighs();
  let [instances, proven, reached, most, reachedProven, optimumProven] = [0, 0, 0, 0, 0, 0];
  for (const { instance, inBand } of samples(options)) {
    const best = optimum(highs, instance, options.timeLimit);
    instances++;
    reached += inBand;
    most += best.inBand;
    if (best.proven) {
      proven++;
      reachedProven += inBand;
      optimumProven += best.inBand;
    }
    if (process.stderr.isTTY) process.stderr.write(`\r${instances} of ${options.instances} instances`);
    if (instances >= options.instances) break;
  }
  if (process.stderr.isTTY) process.stderr.write("\n");
  const share = (count: number, of: number) => rounded(count / Math.max(1, of * options.windows), 3);
  return {
    instances,
    proven,
    inBand: share(reached, instances),
    bound: share(most, instances),
    inBandProven: share(reachedProven, proven),
    optimumProven: share(optimumProven, proven),
  };
}
