import { type Command, Option } from "commander";
import type { SteeringApi } from "../core/workload/types.ts";
import { warmupTicksOf } from "../core/workload/what-if/recording.ts";
import { type PolicyName, policies, replay } from "../core/workload/what-if/replay.ts";
import type { Measures } from "../core/workload/what-if/tally.ts";
import { systemClock } from "../platform/clock.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatCount, formatSeconds, formatShare, formatTable, print, printJson } from "./format.ts";
import { parseBandWidth, parseBudget, parseBurst, parseTime } from "./options.ts";
import { createReporter, recordedSource, runWithProgress } from "./what-if.ts";

interface ReplayOptions {
  readonly from?: number;
  readonly to?: number;
  readonly policy: PolicyName;
  readonly api: SteeringApi;
  readonly latencyP95?: number;
  readonly bandWidth?: number;
  readonly burst?: number;
  readonly json: boolean;
}

export function addReplay(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("replay")
    .description("what would have happened: recorded executions with the learned costs under another policy or budget")
    .option("--from <time>", "from then on: a time, or 15m, 2h ago (default: 30m)", parseTime)
    .option("--to <time>", "until then (default: now)", parseTime)
    .addOption(new Option("--policy <name>", "who decides").choices(policies).default("planner"))
    .addOption(new Option("--api <api>", "how to act on the server").choices(["place", "delay"]).default("place"))
    .option("--latency-p95 <seconds>", "the latency budget (default: the knob's)", parseBudget)
    .option("--band-width <share>", "half width of the band (default: the knob's)", parseBandWidth)
    .option("--burst <mean ticks>", "with /delay: what may fall due in one tick (default: the knob's)", parseBurst)
    .option("--json", "one JSON object", false)
    .action((options: ReplayOptions) => run(replayCommand(options, program.opts<{ directory: string }>().directory)));
}

async function replayCommand(options: ReplayOptions, directory: string): Promise<ExitStatus> {
  const { policy, api, latencyP95, bandWidth, burst } = options;
  const reporter = createReporter();
  const now = systemClock.now();
  const source = await recordedSource(directory, options.from ?? now - 30 * 60_000, options.to ?? now, reporter);
  const { recording, costs } = source;
  const knobs = {
    ...source.knobs,
    enabled: true,
    ...(latencyP95 !== undefined && { latencyP95Seconds: latencyP95 }),
    ...(bandWidth !== undefined && { bandWidth }),
    ...(burst !== undefined && { burst }),
  };
  const warmupTicks = warmupTicksOf(recording);
  const would = await runWithProgress(
    replay({ recording, costs, policy, api, knobs, seed: 1, warmupTicks }),
    "running it again",
    reporter,
  );
  reporter.clear();
  const { happened, warnings } = source;
  if (options.json) printJson({ source: source.name, policy, api, knobs, warmupTicks, happened, would, warnings });
  else {
    const asked = policy === "planner" ? `planner, ${knobs.latencyP95Seconds} s, ${api}` : policy;
    const rows = labels.map(([label, format]) => [label, happened ? format(happened) : "-", format(would)]);
    const note = `the first ${(warmupTicks * recording.clockwork.tickMs) / 1_000} s of the replay are not counted`;
    print([source.name, formatTable(["", "did happen", `would have (${asked})`], rows), note, ...warnings].join("\n"));
  }
  return exitStatus.ok;
}

const labels: readonly (readonly [string, (measures: Measures) => string])[] = [
  ["windows", ({ windows }) => formatCount(windows)],
  ["in band", ({ inBand }) => formatShare(inBand)],
  ["empty", ({ idleShare }) => formatShare(idleShare)],
  ["deviation p95", ({ deviationP95 }) => formatShare(deviationP95)],
  ["executions", ({ executed }) => formatCount(executed)],
  ["delay mean", ({ delayMean }) => formatSeconds(delayMean)],
  ["delay p50", ({ delayP50 }) => formatSeconds(delayP50)],
  ["delay p95", ({ delayP95 }) => formatSeconds(delayP95)],
  ["delay p99", ({ delayP99 }) => formatSeconds(delayP99)],
  ["delay max", ({ delayMax }) => formatSeconds(delayMax)],
];
