/** `bench estimator`: how fast and how well costs are learned, in virtual time, from unscheduled traffic. */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { createEstimator } from "../core/workload/estimator/estimator.ts";
import { Engine, type Step } from "../sim-server/database/engine.ts";
import { loadParameters, type Parameters, ParametersError, scenarioNames } from "../sim-server/database/parameters.ts";
import { createFeed } from "./estimator/feed.ts";
import { type Limit, limit } from "./estimator/limit.ts";
import { type Relearning, watchRelearning } from "./estimator/relearning.ts";
import { type Score, score } from "./estimator/score.ts";

const help = `Learns costs from unscheduled traffic in virtual time: the same seed gives the same numbers (but for times).

  bench estimator [options]

  --scenario <name|file>    ${scenarioNames.join(", ")}, or a parameter file (default)
  --seed <n>                of the world and its traffic (1)
  --minutes <n>             of traffic (5)
  --every <seconds>         between estimates after the first two minutes, which have one every 5 s (60)
  --server <stamped|plain>  plain: windows end up to a tick off, and their bounds are not told (by the scenario)
  --unseen <share>          of executions, missing from what the estimator is told (0)
  --json                    one JSON line for machines
`;

export interface EstimatorOptions {
  readonly scenario: string;
  readonly seed: number;
  readonly minutes: number;
  readonly every: number;
  readonly server: "stamped" | "plain" | undefined;
  readonly unseen: number;
}

export interface EstimatorResult extends Score, Relearning, Limit {
  readonly minutes: number;
  readonly windows: number;
  /** Virtual seconds until the cost error stayed at or below 1%; null when it did not. */
  readonly secondsToOnePercent: number | null;
  /** The last estimate's computing time, ms. */
  readonly estimateMs: number;
  readonly stateBytes: number;
}

function numberOf(name: string, value: string, low: number, high: number, whole: boolean): number {
  const number = Number(value);
  if (value.trim() === "" || !(number >= low && number <= high) || (whole && !Number.isInteger(number)))
    throw new ParametersError(
      `--${name} takes a ${whole ? "whole " : ""}number from ${low} to ${high}, not '${value}'`,
    );
  return number;
}

/** @throws Error with one line for the user; undefined when help was asked for */
export function parseEstimatorOptions(args: string[]): (EstimatorOptions & { readonly json: boolean }) | undefined {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "5" },
      every: { type: "string", default: "60" },
      server: { type: "string" },
      unseen: { type: "string", default: "0" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { server } = values;
  if (server !== undefined && server !== "stamped" && server !== "plain")
    throw new ParametersError(`--server takes stamped or plain, not '${server}'`);
  return {
    scenario: values.scenario,
    seed: numberOf("seed", values.seed, 0, 0xffffffff, true),
    minutes: numberOf("minutes", values.minutes, 0.1, 10_000, false),
    every: numberOf("every", values.every, 1, 86_400, true),
    server,
    unseen: numberOf("unseen", values.unseen, 0, 0.9, false),
    json: values.json,
  };
}

function parametersOf({ scenario, seed, server }: EstimatorOptions): Parameters {
  const parameters = { ...loadParameters(scenario), seed };
  switch (server) {
    case undefined:
      return parameters;
    case "stamped":
      return { ...parameters, stamped: true, windowJitterTicks: 0 };
    case "plain":
      return { ...parameters, stamped: false, windowJitterTicks: 1 };
  }
}

/** Runs the bench; `checkpoint` is told each estimate's virtual second and score. */
export function run(options: EstimatorOptions, checkpoint?: (second: number, score: Score) => void): EstimatorResult {
  const parameters = parametersOf(options);
  const engine = new Engine(parameters);
  const feed = createFeed(parameters, options.unseen);
  const estimator = createEstimator();
  const trueWindows: NonNullable<Step["window"]>[] = [];
  const relearning = watchRelearning(engine);
  const ticks = Math.round((options.minutes * 60_000) / parameters.tickMs);
  const ticksPerSecond = 1000 / parameters.tickMs;
  let windows = 0;
  let onePercentSince: number | null = null;
  let estimateMs = 0;
  let last: Score = score(engine, feed.executions, { costs: new Map(), quality: {} });
  for (let tick = 0; tick < ticks; tick++) {
    const step = engine.step();
    relearning.after(step);
    if (step.window) trueWindows.push(step.window);
    const observed = feed.after(step);
    windows += observed.length;
    estimator.observe(observed);
    const second = Math.floor((tick + 1) / ticksPerSecond);
    const ended = tick === ticks - 1;
    const every = second <= 120 ? Math.min(5, options.every) : options.every;
    if (!ended && (tick + 1) % Math.round(every * ticksPerSecond) !== 0) continue;
    const started = performance.now();
    const estimates = estimator.estimate();
    estimateMs = performance.now() - started;
    last = score(engine, feed.executions, estimates);
    relearning.estimated(second, estimates.costs);
    if (last.costError > 0.01) onePercentSince = null;
    else onePercentSince ??= second;
    checkpoint?.(second, last);
  }
  return {
    minutes: options.minutes,
    windows,
    ...last,
    ...relearning.result(options.minutes * 60),
    ...limit(trueWindows, engine.truth(), feed.executions),
    secondsToOnePercent: onePercentSince,
    estimateMs,
    stateBytes: estimator.save().length,
  };
}

const percent = (share: number) => `${(100 * share).toFixed(3)}%`;

/** @throws Error with one line for the user */
export async function estimator(args: string[]): Promise<void> {
  const options = parseEstimatorOptions(args);
  if (!options) return console.log(help);
  if (!options.json) console.log("second  cost error  exact share  well-seen error");
  const result = run(options, (second, { costError, exactShare, wellSeenError }) => {
    if (options.json) return;
    console.log(
      `${String(second).padStart(6)}  ${percent(costError).padStart(10)}  ${percent(exactShare).padStart(11)}  ${percent(wellSeenError).padStart(15)}`,
    );
  });
  if (options.json) console.log(JSON.stringify(result));
  else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(20)} ${value}`);
}
