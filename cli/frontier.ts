import { writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { SteeringApi } from "../core/workload/types.ts";
import { frontierSvg, type MarkedPoint } from "../core/workload/what-if/chart.ts";
import { budgetsFor, type FrontierPoint, frontier, smallestFeasibleBudget } from "../core/workload/what-if/frontier.ts";
import { warmupTicksOf } from "../core/workload/what-if/recording.ts";
import { LocalError } from "../local/errors.ts";
import { scenarioTraffic } from "../local/scenario-traffic.ts";
import { systemClock } from "../platform/clock.ts";
import { describeError } from "../platform/log.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatSeconds, formatShare, formatTable, print, printJson } from "./format.ts";
import { parseBandWidth, parseBudgets, parseBursts, parseCount, parseMinutes, parseTime } from "./options.ts";
import {
  createReporter,
  type Reporter,
  recordedSource,
  runWithProgress,
  type Source,
  sourceOfScenario,
} from "./what-if.ts";

interface FrontierOptions {
  readonly scenario?: string;
  readonly seed?: number;
  readonly minutes: number;
  readonly from?: number;
  readonly to?: number;
  readonly budgets?: readonly number[];
  readonly api: SteeringApi | "both";
  readonly burst: readonly number[];
  readonly bandWidth?: number;
  readonly svg?: string;
  readonly json: boolean;
}

export function addFrontier(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("frontier")
    .description("what is possible: share of windows in band against delay, for a scenario or for what was recorded")
    .addOption(
      new Option("--scenario <name|file>", "a scenario's traffic and true costs, in virtual time").conflicts([
        "from",
        "to",
      ]),
    )
    .option("--seed <number>", "another seed for the scenario", parseCount)
    .option("--minutes <number>", "how much of the scenario's traffic is counted", parseMinutes, 34)
    .option(
      "--from <time>",
      "recorded traffic from then on, with the learned costs: a time, or 15m, 2h ago (default: 30m)",
      parseTime,
    )
    .option("--to <time>", "until then (default: now)", parseTime)
    .option("--budgets <seconds,...>", "latency budgets to try (default: by the rate of arrivals)", parseBudgets)
    .addOption(
      new Option("--api <api>", "how to act on the server").choices(["place", "delay", "both"]).default("place"),
    )
    .option(
      "--burst <mean ticks,...>",
      "with /delay: what may fall due in one tick if the scheduler dies",
      parseBursts,
      [1_000],
    )
    .option("--band-width <share>", "half width of the band (default: the knob's)", parseBandWidth)
    .option("--svg <file>", "draw it into a file")
    .option("--json", "one JSON object", false)
    .action((options: FrontierOptions) =>
      run(frontierCommand(options, program.opts<{ directory: string }>().directory)),
    );
}

async function frontierCommand(options: FrontierOptions, directory: string): Promise<ExitStatus> {
  const reporter = createReporter();
  const source = await sourceOf(options, directory, reporter);
  const { recording, costs } = source;
  const knobs = { ...source.knobs, ...(options.bandWidth !== undefined && { bandWidth: options.bandWidth }) };
  const budgets = options.budgets ?? budgetsFor(recording, knobs.latencyP95Seconds);
  const points = await runWithProgress(
    frontier({
      recording,
      costs,
      knobs,
      seed: 1,
      warmupTicks: warmupTicksOf(recording),
      budgets,
      apis: options.api === "both" ? ["place", "delay"] : [options.api],
      bursts: options.burst,
    }),
    "trying",
    reporter,
  );
  reporter.clear();
  const today = todayOf(source, points);
  const feasible = smallestFeasibleBudget(points);
  if (options.svg !== undefined)
    write(options.svg, frontierSvg(`Frontier of ${source.name}`, points, today ? [today] : []));
  if (options.json) {
    printJson({
      source: source.name,
      today: today ?? null,
      smallestFeasibleBudget: feasible,
      points,
      warnings: source.warnings,
    });
  } else print(screen(source, points, today, feasible, options.svg));
  return exitStatus.ok;
}

async function sourceOf(options: FrontierOptions, directory: string, reporter: Reporter): Promise<Source> {
  const { scenario, seed, minutes, from, to } = options;
  if (scenario === undefined) {
    const now = systemClock.now();
    return recordedSource(directory, from ?? now - 30 * 60_000, to ?? now, reporter);
  }
  reporter.show("making the scenario's traffic", 0);
  const traffic = await scenarioTraffic({ scenario, seed, minutes: minutes + 2, signal: new AbortController().signal });
  return sourceOfScenario(
    `scenario ${scenario}${seed === undefined ? "" : `, seed ${seed}`}, ${minutes} minutes`,
    traffic,
  );
}

/** What was recorded; of a scenario, what today's budget gives. */
function todayOf({ happened, knobs }: Source, points: readonly FrontierPoint[]): MarkedPoint | undefined {
  const atBudget = points.find(
    ({ policy, latencyP95Seconds }) => policy === "planner" && latencyP95Seconds === knobs.latencyP95Seconds,
  );
  const { delayP95 = null, inBand = null } = happened ?? atBudget?.measures ?? {};
  if (delayP95 === null || inBand === null) return undefined;
  return { label: happened ? "as recorded" : `budget ${knobs.latencyP95Seconds} s`, delayP95, inBand };
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new LocalError(`${file} cannot be written: ${describeError(cause)}`, { cause });
  }
}

function screen(
  { name, warnings }: Source,
  points: readonly FrontierPoint[],
  today: MarkedPoint | undefined,
  feasible: number | null,
  svg: string | undefined,
): string {
  const rows = points.map(({ policy, api, latencyP95Seconds, burst, measures }) => [
    policy === "planner" ? `planner, ${api}${burst === null ? "" : `, burst ${burst}`}` : policy,
    latencyP95Seconds === null ? "-" : `${latencyP95Seconds} s`,
    formatShare(measures.inBand),
    formatShare(measures.idleShare),
    formatSeconds(measures.delayP50),
    formatSeconds(measures.delayP95),
    formatSeconds(measures.delayMax),
    measures.burst === null ? "-" : measures.burst.toFixed(1),
  ]);
  return [
    name,
    formatTable(["policy", "budget p95", "in band", "empty", "p50", "p95", "max", "burst"], rows),
    ...(today
      ? [`${today.label}: ${formatShare(today.inBand)} in band at a p95 of ${formatSeconds(today.delayP95)}`]
      : []),
    feasible === null ? "none of these budgets is kept" : `the smallest of these budgets that is kept: ${feasible} s`,
    "burst: what could fall due in one later tick if the scheduler died, in mean ticks",
    ...warnings,
    ...(svg === undefined ? [] : [`drawn into ${svg}`]),
  ].join("\n");
}
