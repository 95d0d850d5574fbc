/** `bench estimator`: how fast and how well costs are learned, in virtual time, from unscheduled traffic. */
import { createEstimator } from "../core/workload/estimator/estimator.ts";
import { Engine, type Step } from "../sim-server/database/engine.ts";
import { loadParameters, type Parameters } from "../sim-server/database/parameters.ts";
import { createApart, type ProcessEffort } from "./estimator/apart.ts";
import { createFeed } from "./estimator/feed.ts";
import { type Limit, limit } from "./estimator/limit.ts";
import { type EstimatorOptions, help, parseEstimatorOptions } from "./estimator/options.ts";
import { createPlacing, type Placed } from "./estimator/placing.ts";
import { type Relearning, watchRelearning } from "./estimator/relearning.ts";
import { type Score, score } from "./estimator/score.ts";
import { quantile } from "./smoothing/options.ts";

export interface EstimatorResult extends Score, Relearning, Limit, Partial<Placed> {
  readonly minutes: number;
  readonly windows: number;
  /** Virtual seconds until the cost error stayed at or below 1%; null when it did not. */
  readonly secondsToOnePercent: number | null;
  readonly stateBytes: number;
}

/** What depends on the machine: processor time of estimates (all threads, which other programs do not lengthen), greatest resident memory of the bench before the limit is sought. */
export interface Effort {
  readonly estimateCpuMsP50: number;
  readonly estimateCpuMsMax: number;
  readonly rssMb: number;
  /** Of runs in processes of their own. */
  readonly process?: ProcessEffort;
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

/**
 * Runs the bench; `checkpoint` is told each estimate's virtual second and score.
 * @param separate whether each estimate is made in a process of its own
 */
export function run(
  options: EstimatorOptions,
  checkpoint?: (second: number, score: Score) => void,
  separate = false,
): { readonly result: EstimatorResult; readonly effort: Effort } {
  const parameters = parametersOf(options);
  const engine = new Engine(parameters);
  const feed = createFeed(parameters, options.unseen);
  using apart = separate ? createApart() : undefined;
  const estimator = apart ?? createEstimator();
  const trueWindows: NonNullable<Step["window"]>[] = [];
  const relearning = watchRelearning(engine);
  const placing = options.steer || options.show > 0 ? createPlacing(engine, options) : undefined;
  const ticks = Math.round((options.minutes * 60_000) / parameters.tickMs);
  const ticksPerSecond = 1000 / parameters.tickMs;
  let windows = 0;
  let onePercentSince: number | null = null;
  const times: number[] = [];
  const often = !separate && options.every <= 60;
  let last: Score = score(engine, feed.executions, { costs: new Map(), quality: {} });
  for (let tick = 0; tick < ticks; tick++) {
    const step = engine.step();
    relearning.after(step);
    if (step.window) trueWindows.push(step.window);
    const observed = feed.after(step);
    windows += observed.length;
    estimator.observe(observed);
    placing?.after(step);
    const second = Math.floor((tick + 1) / ticksPerSecond);
    const ended = tick === ticks - 1;
    const every = often && second <= 120 ? Math.min(5, options.every) : options.every;
    if (!ended && second < 60 * options.from) continue;
    const told = placing !== undefined && (tick + 1) % (60 * ticksPerSecond) === 0;
    if (!ended && !told && (tick + 1) % Math.round(every * ticksPerSecond) !== 0) continue;
    const started = process.cpuUsage();
    const estimates = estimator.estimate();
    times.push(cpuMs(started));
    if (told) placing.estimated(estimates);
    last = score(engine, feed.executions, estimates);
    relearning.estimated(second, estimates.costs);
    if (last.costError > 0.01) onePercentSince = null;
    else onePercentSince ??= second;
    checkpoint?.(second, last);
  }
  const state = estimator.save();
  const effort = {
    estimateCpuMsP50: Math.round(quantile(times, 0.5)),
    estimateCpuMsMax: Math.round(quantile(times, 1)),
    rssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    ...(apart ? { process: apart.effort() } : {}),
  };
  const result = {
    minutes: options.minutes,
    windows,
    ...last,
    ...relearning.result(options.minutes * 60),
    ...limit(trueWindows, engine.truth(), feed.executions),
    secondsToOnePercent: onePercentSince,
    ...placing?.result(),
    stateBytes: state.length,
  };
  return { result, effort };
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** The mean of each number over the runs that have it. */
function meanOf(results: readonly EstimatorResult[]): Record<string, number | null> {
  const names = Object.keys(results[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const values = results
        .map((result) => new Map<string, number | null>(Object.entries(result)).get(name))
        .filter((value) => typeof value === "number");
      return [name, values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length];
    }),
  );
}

const percent = (share: number) => `${(100 * share).toFixed(3)}%`;

function show(values: object): void {
  for (const [name, value] of Object.entries(values))
    console.log(`${name.padEnd(20)} ${typeof value === "object" && value !== null ? JSON.stringify(value) : value}`);
}

/** @throws Error with one line for the user */
export async function estimator(args: string[]): Promise<void> {
  const options = parseEstimatorOptions(args);
  if (!options) return console.log(help);
  const { json, seed: first, lastSeed } = options;
  if (first === lastSeed) {
    if (!json) console.log("second  cost error  exact share  well-seen error");
    const { result, effort } = run(
      options,
      (second, { costError, exactShare, wellSeenError }) => {
        if (json) return;
        console.log(
          `${String(second).padStart(6)}  ${percent(costError).padStart(10)}  ${percent(exactShare).padStart(11)}  ${percent(wellSeenError).padStart(15)}`,
        );
      },
      options.process,
    );
    return json ? console.log(JSON.stringify({ ...result, ...effort })) : show({ ...result, ...effort });
  }
  const results: EstimatorResult[] = [];
  const efforts: Effort[] = [];
  if (!json) console.log("  seed  cost error  exact share  seconds to 1%");
  for (let seed = first; seed <= lastSeed; seed++) {
    const { result, effort } = run({ ...options, seed }, undefined, options.process);
    results.push(result);
    efforts.push(effort);
    if (json) continue;
    const { costError, exactShare, secondsToOnePercent } = result;
    console.log(
      `${String(seed).padStart(6)}  ${percent(costError).padStart(10)}  ${percent(exactShare).padStart(11)}  ${String(secondsToOnePercent ?? "-").padStart(13)}`,
    );
  }
  const greatest = {
    estimateCpuMsMax: Math.max(...efforts.map(({ estimateCpuMsMax }) => estimateCpuMsMax)),
    rssMb: Math.max(...efforts.map(({ rssMb }) => rssMb)),
    ...(options.process ? { process: efforts.map(({ process }) => process) } : {}),
  };
  const all = { seeds: results.length, ...meanOf(results), ...greatest };
  if (json) console.log(JSON.stringify(all));
  else show(all);
}
