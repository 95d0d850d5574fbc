/** `bench pace`: the scheduler as a process, in real time, before the simulated database over HTTP: is it in time, does it come back in time? */
import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { startTemporaryCloud } from "../local/temporary-cloud.ts";
import { workloadEnvironment } from "../platform/environment.ts";
import { loadParameters, scenarioNames } from "../sim-server/database/parameters.ts";
import { startScheduler, writeTrueCosts } from "../test/support/scheduler.ts";
import { SimDatabase } from "../test/support/sim-database.ts";
import { positive, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `The scheduler as a process against the simulated database, in real time, with the true costs and the embedded cloud.

  bench pace [options]

  --scenario <name|file>  ${scenarioNames.join(", ")}, or a parameter file (default)
  --seconds <n>           measured, after 10 s of steering (60)
  --restarts <n>          kills afterwards, each followed by a new process under the same name (3)
  --latency-p95 <s>       the latency budget (6)
  --json                  one JSON line for machines
`;

export interface Pace {
  readonly scenario: string;
  readonly seconds: number;
  readonly placements: number;
  /** Of the placements: those that came after the tick they were for. */
  readonly lateShare: number | null;
  readonly planMsP50: number | null;
  readonly planMsP99: number | null;
  /** From the kill to the first placement of the process after it; the largest. */
  readonly resumedSeconds: number | null;
  /** The most that a killed scheduler left for one later tick, in mean ticks. */
  readonly burst: number;
  /** Resident memory of the process at the end, MB. */
  readonly rssMb: number | null;
}

export async function measurePace(options: {
  readonly scenario: string;
  readonly seconds: number;
  readonly restarts: number;
  readonly latencyP95: number;
}): Promise<Pace> {
  const { scenario, seconds, restarts, latencyP95 } = options;
  // The scheduler's process inherits it.
  process.env.EVENKEEL_TOKEN ??= "the-token-of-the-pace-bench";
  const cloud = await startTemporaryCloud();
  const environment = { ...cloud.environment, ...workloadEnvironment.parse(cloud.environment) };
  const parameters = loadParameters(scenario);
  const database = await SimDatabase.start({ serverId: "paced", directory: cloud.directory, parameters });
  try {
    await writeTrueCosts(environment, "paced", database.engine);
    const start = () => startScheduler(environment, { EVENKEEL_SERVER_URL: database.url, EVENKEEL_SLOT: "a" });
    let scheduler = await start();
    while ((await scheduler.status())?.mode !== "steering") await sleep(100);
    const headers = { authorization: `Bearer ${process.env.EVENKEEL_TOKEN}` };
    const body = JSON.stringify({ latencyP95Seconds: latencyP95 });
    await fetch(`${scheduler.url}/knobs`, { method: "PUT", headers, body });
    await sleep((10 + seconds) * 1_000);
    const status = await scheduler.status();
    const rssMb = await residentMb(scheduler.child.pid);
    const resumed: number[] = [];
    const bursts: number[] = [];
    for (let kill = 0; kill < restarts; kill++) {
      const fence = database.fences.at(-1) ?? 0;
      const killedAt = performance.now();
      await scheduler.end("SIGKILL");
      bursts.push(database.worstTickToCome());
      scheduler = await start();
      while ((database.fences.at(-1) ?? 0) <= fence) await sleep(5);
      resumed.push((performance.now() - killedAt) / 1_000);
      await sleep(3_000);
    }
    await scheduler.end("SIGTERM");
    return {
      scenario,
      seconds,
      placements: status?.placements ?? 0,
      lateShare: status?.lateShare ?? null,
      planMsP50: status?.planMs ? rounded(status.planMs.p50, 3) : null,
      planMsP99: status?.planMs ? rounded(status.planMs.p99, 3) : null,
      resumedSeconds: resumed.length === 0 ? null : rounded(quantile(resumed, 1), 2),
      burst: rounded(Math.max(0, ...bursts), 2),
      rssMb,
    };
  } finally {
    await database.stop();
    await cloud.stop();
  }
}

async function residentMb(pid: number | undefined): Promise<number | null> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(stdout) > 0 ? Math.round(Number(stdout) / 1_000) : null;
}

export async function pace(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      seconds: { type: "string", default: "60" },
      restarts: { type: "string", default: "3" },
      "latency-p95": { type: "string", default: "6" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const measured = await measurePace({
    scenario: values.scenario,
    seconds: positive("seconds", values.seconds),
    restarts: wholeNumber("restarts", values.restarts, 100),
    latencyP95: positive("latency-p95", values["latency-p95"]),
  });
  print(measured, values.json);
}
