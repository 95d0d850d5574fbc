/** `bench estimator`: how fast and how well costs are learned, in virtual time, from unscheduled traffic. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { createEstimator } from "../core/workload/estimator/estimator.ts";
import type { WindowObservation } from "../core/workload/types.ts";
import { estimateCosts } from "../lambdas/workload/constants.ts";
import { Engine, type Step } from "../sim-server/database/engine.ts";
import { loadParameters, type Parameters } from "../sim-server/database/parameters.ts";
import { createFeed } from "./estimator/feed.ts";
import { type Limit, limit } from "./estimator/limit.ts";
import { type EstimatorOptions, help, parseEstimatorOptions } from "./estimator/options.ts";
import { type Relearning, watchRelearning } from "./estimator/relearning.ts";
import { type Score, score } from "./estimator/score.ts";
import { createSteered } from "./estimator/steered.ts";
import { quantile } from "./smoothing/options.ts";

export interface EstimatorResult extends Score, Relearning, Limit {
  readonly minutes: number;
  readonly windows: number;
  /** Virtual seconds until the cost error stayed at or below 1%; null when it did not. */
  readonly secondsToOnePercent: number | null;
  /** Share of windows in band since the first minute; absent where nothing is steered. */
  readonly inBand?: number;
  readonly stateBytes: number;
}

/** What depends on the machine: processor time of estimates (all threads, which other programs do not lengthen), greatest resident memory of the bench before the limit is sought. */
export interface Effort {
  readonly estimateCpuMsP50: number;
  readonly estimateCpuMsMax: number;
  readonly rssMb: number;
  /** Of the last minute's run, in a process of its own. */
  readonly process?: ProcessEffort;
}

/** `work`: executions read, counted each time. `secondsInFunction`: what `cpuMs` takes with the function's share of a core. */
interface ProcessEffort {
  readonly cpuMs: number;
  readonly rssMb: number;
  readonly work: number;
  readonly memoryMegabytes: number;
  readonly secondsInFunction: number;
}

/** Memory at which a function has a whole core; below, its share is in proportion (AWS Lambda, Configure memory). */
const megabytesOfCore = 1_769;
/** A Node process of the function's leaves this much of its memory to what is not its heap. */
const besidesHeapMegabytes = 112;

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
 * @param apart whether to make the last minute's run in a process of its own as well, from the state of a minute before
 */
export function run(
  options: EstimatorOptions,
  checkpoint?: (second: number, score: Score) => void,
  apart = false,
): { readonly result: EstimatorResult; readonly effort: Effort } {
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
  const times: number[] = [];
  const steered = options.learn === "watching" ? undefined : createSteered(engine, options.learn === "purpose");
  const ticksPerMinute = 60 * ticksPerSecond;
  const secondLast = apart ? Math.max(ticks - ticksPerMinute, 1) : 0;
  let before: Uint8Array | undefined;
  const since: WindowObservation[] = [];
  let last: Score = score(engine, feed.executions, { costs: new Map(), quality: {} });
  for (let tick = 0; tick < ticks; tick++) {
    const step = engine.step();
    relearning.after(step);
    if (step.window) trueWindows.push(step.window);
    const observed = feed.after(step);
    windows += observed.length;
    estimator.observe(observed);
    if (before) since.push(...observed);
    steered?.after(step);
    const second = Math.floor((tick + 1) / ticksPerSecond);
    const ended = tick === ticks - 1;
    const every = second <= 120 ? Math.min(5, options.every) : options.every;
    const minute = steered !== undefined && (tick + 1) % ticksPerMinute === 0;
    const snapshot = tick + 1 === secondLast;
    if (!ended && !minute && !snapshot && (tick + 1) % Math.round(every * ticksPerSecond) !== 0) continue;
    const started = process.cpuUsage();
    const estimates = estimator.estimate();
    times.push(cpuMs(started));
    if (minute) steered?.estimated(estimates);
    if (snapshot) before = estimator.save();
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
    ...(before ? { process: runApart(before, since) } : {}),
  };
  const result = {
    minutes: options.minutes,
    windows,
    ...last,
    ...relearning.result(options.minutes * 60),
    ...limit(trueWindows, engine.truth(), feed.executions),
    secondsToOnePercent: onePercentSince,
    ...(steered ? { inBand: steered.inBand() } : {}),
    stateBytes: state.length,
  };
  return { result, effort };
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

/** A run from `state` with `windows` new, in a process of its own within the function's heap. */
function runApart(state: Uint8Array, windows: readonly WindowObservation[]): ProcessEffort {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  try {
    const [stateFile, windowsFile] = [join(directory, "state.json.gz"), join(directory, "windows.json")];
    writeFileSync(stateFile, gzipSync(state));
    writeFileSync(windowsFile, JSON.stringify(windows));
    const script = fileURLToPath(new URL("estimator/one-run.ts", import.meta.url));
    const { memoryMegabytes } = estimateCosts;
    const heap = `--max-old-space-size=${memoryMegabytes - besidesHeapMegabytes}`;
    const output = execFileSync(process.execPath, [heap, script, stateFile, windowsFile], { encoding: "utf8" });
    const effort = JSON.parse(output);
    const secondsInFunction = Math.round((effort.cpuMs * megabytesOfCore) / memoryMegabytes / 100) / 10;
    return { ...effort, memoryMegabytes, secondsInFunction };
  } finally {
    rmSync(directory, { recursive: true });
  }
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
