import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Command, Option } from "commander";
import { Listr, PRESET_TIMER } from "listr2";
import { z } from "zod";
import { levelShare, percentile } from "../core/workload/measures.ts";
import { assertDiskSpace } from "../local/disk.ts";
import { nodeBinary, root } from "../local/paths.ts";
import { assertPortFree } from "../local/ports.ts";
import { childEnvironment } from "../local/process.ts";
import { assertNoRun, endLeftovers } from "../local/run-record.ts";
import { createSession, type Session } from "../local/session.ts";
import { systemClock } from "../platform/clock.ts";
import { schedulerStatus } from "../platform/scheduler-status.ts";
import { tickEvent } from "../platform/wire.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print } from "./format.ts";
import { createLiveLine, type LiveLine } from "./live-line.ts";
import { ask } from "./observe.ts";
import { parseCount, parsePort } from "./options.ts";

interface DemoOptions {
  readonly load: string;
  readonly seconds: number;
  readonly once: boolean;
  readonly cloudPort: number;
  readonly gatekeeperPort: number;
  readonly schedulerPort: number;
  readonly consolePort: number;
}

const burstSeconds = 12;
/** Two cycles of bursts for the planner's mean, and time for what it holds to settle. */
const settleSeconds = 72;

const report = z.object({
  type: z.literal("report"),
  arrivedAt: z.number(),
  begunAt: z.number(),
  endedAt: z.number(),
});
type Report = z.infer<typeof report>;

export function addPostgresDemo(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  const directory = () => program.opts<{ directory: string }>().directory;
  program
    .command("postgres-demo")
    .description(
      "a real PostgreSQL under bursts of reports: first as it is, then with the gate; Ctrl-C stops everything",
    )
    .addOption(
      new Option("--load <name>", "how much the reports are: some 900 or 165 ms of processor time a second")
        .choices(["heavy", "light"])
        .default("heavy"),
    )
    .option("--seconds <number>", "how long each of the two is measured", parseCount, 60)
    .option("--once", "end after the comparison, instead of going on", false)
    .option("--cloud-port <port>", "the cloud's port", parsePort, 4566)
    .option("--gatekeeper-port <port>", "the gatekeeper's port", parsePort, 9040)
    .option("--scheduler-port <port>", "the port of the scheduler's status", parsePort, 9010)
    .option("--console-port <port>", "the console's port", parsePort, 9030)
    .action((options: DemoOptions) => run(demo(options, join(directory(), "postgres-demo"))));
}

async function demo(options: DemoOptions, directory: string): Promise<ExitStatus> {
  assertDiskSpace(directory);
  assertNoRun(directory);
  const leftovers = await endLeftovers(directory);
  if (leftovers.length > 0) print(`ended what an earlier run left behind: ${leftovers.join(", ")}`);
  await assertPortFree(options.gatekeeperPort, "the gatekeeper", "--gatekeeper-port");
  await assertPortFree(options.schedulerPort, "the scheduler's status", "--scheduler-port");
  await assertPortFree(options.consolePort, "the console", "--console-port");

  const stop = new AbortController();
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(exitStatus.trouble);
    stop.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  process.stdout.on("error", () => stop.abort());

  const line = createLiveLine(process.stdout, systemClock.monotonic);
  const { load, seconds, once, gatekeeperPort, ...ports } = options;
  const session = createSession({
    ...ports,
    directory,
    cloud: "embedded",
    serverPort: 0,
    tapPort: 0,
    scenario: "default",
    plain: false,
    scheduler: true,
    latencyP95Seconds: burstSeconds,
    postgres: { gatekeeperPort, directory },
    onTrouble: line.say,
    signal: stop.signal,
  });
  const meter = new StreamMeter();
  try {
    await start(session);
    print(`\nSee it live: ${session.consoleUrl}\n`);
    void meter.follow(session, stop.signal);
    const bursts = Math.ceil(seconds / burstSeconds);

    const naive = new Application(session, load, "observe");
    const naiveAt = await naive.began;
    line.say(
      `For ${bursts * burstSeconds} s reports come every ${burstSeconds} s and run at once, as they do in most places; costs are learned meanwhile.`,
    );
    await show(line, meter, naiveAt, bursts * burstSeconds, stop.signal);
    await naive.stop();
    const before = meter.judge(naiveAt, bursts * burstSeconds, naive.reports);
    line.say(`Without the gate: ${before.text}`);

    const gated = new Application(session, load, "enforce");
    const gatedAt = await gated.began;
    line.say(`Now each report may be held for 20 s; for ${settleSeconds} s the plan settles.`);
    let from = gatedAt + settleSeconds * 1_000;
    await show(line, meter, gatedAt, settleSeconds - 1, stop.signal);
    while (!stop.signal.aborted && !(await steers(session, line))) {
      await systemClock.sleep(1_000, stop.signal);
      from = gatedAt + (Math.ceil((Date.now() - gatedAt) / 1_000 / burstSeconds) + 2) * burstSeconds * 1_000;
    }
    line.say(`Measuring ${bursts * burstSeconds} s with the gate.`);
    await show(line, meter, from, bursts * burstSeconds, stop.signal);
    const after = meter.judge(from, bursts * burstSeconds, gated.reports);
    line.clear();
    print(`\nWithout the gate: ${before.text}\nWith the gate:    ${after.text}\n`);
    if (!once) print("It goes on until Ctrl-C.");
    while (!once && !stop.signal.aborted) await show(line, meter, Date.now(), burstSeconds, stop.signal);
    await gated.stop();
    return exitStatus.ok;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return exitStatus.ok;
  } finally {
    line.clear();
    print("stopping");
    stop.abort();
    await session.stop();
  }
}

async function start(session: Session): Promise<void> {
  const tasks = session.steps.map(({ title, run }) => ({
    title,
    task: (_: unknown, task: { output: string }) =>
      run((detail) => {
        if (process.stdout.isTTY) task.output = detail;
      }),
  }));
  const rendererOptions = { showErrorMessage: false, collapseErrors: false, timer: PRESET_TIMER } as const;
  await new Listr(tasks, {
    registerSignalListeners: false,
    rendererOptions,
    fallbackRendererOptions: { timer: PRESET_TIMER },
  }).run();
}

async function steers(session: Session, line: LiveLine): Promise<boolean> {
  const answer = await ask(`${session.schedulerUrl}/status`, schedulerStatus, undefined);
  if (!answer.ok) return false;
  const { mode, advice } = answer.value;
  line.show(`the scheduler is ${mode}${advice ? `: ${advice}` : ""}`);
  return mode === "steering";
}

async function show(
  line: LiveLine,
  meter: StreamMeter,
  from: number,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const until = from + seconds * 1_000;
  while (Date.now() < until) {
    signal.throwIfAborted();
    line.show(meter.bars(Math.ceil((until - Date.now()) / 1_000)));
    await systemClock.sleep(500, signal);
  }
  // What the last second used is told a moment later.
  await systemClock.sleep(1_000, signal);
}

/** The application as a process; what it did is read from what it prints. */
class Application {
  readonly reports: Report[] = [];
  readonly began: Promise<number>;
  readonly #exited: Promise<void>;
  readonly #kill: () => void;

  constructor(session: Session, load: string, mode: "observe" | "enforce") {
    const child = spawn(nodeBinary, ["--disable-warning=ExperimentalWarning", "demo/postgres/application.ts"], {
      cwd: root,
      env: childEnvironment({
        ...session.environment(),
        DATABASE_URL: session.postgres()?.tpchUrl ?? "",
        EVENKEEL_GATE_URL: session.serverUrl,
        EVENKEEL_GATE_MODE: mode,
        EVENKEEL_LOAD: load,
        PREPARE: mode === "observe" ? "yes" : "no",
      }),
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    const began = Promise.withResolvers<number>();
    this.began = began.promise;
    const exited = Promise.withResolvers<void>();
    this.#exited = exited.promise;
    const started = z.object({ type: z.literal("started"), origin: z.number() });
    createInterface(child.stdout).on("line", (text) => {
      const told: unknown = JSON.parse(text);
      const one = report.safeParse(told);
      if (one.success) this.reports.push(one.data);
      const first = started.safeParse(told);
      if (first.success) began.resolve(first.data.origin);
    });
    child.once("close", () => {
      exited.resolve();
      began.reject(new Error("the application ended at once"));
    });
    began.promise.catch(() => {});
    const kill = () => void child.kill("SIGTERM");
    this.#kill = kill;
    process.once("exit", kill);
  }

  async stop(): Promise<void> {
    this.#kill();
    await this.#exited;
  }
}

/** Processor time a second, as the gatekeeper's stream tells it. */
class StreamMeter {
  readonly #ticks: { readonly at: number; readonly cpuMs: number }[] = [];

  async follow(session: Session, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const response = await fetch(`${session.serverUrl}/stream`, { signal });
        let rest = "";
        for await (const chunk of response.body ?? []) {
          const lines = (rest + Buffer.from(chunk).toString("utf8")).split("\n");
          rest = lines.pop() ?? "";
          for (const one of lines) this.#take(one);
        }
      } catch {
        // It is away; it comes back.
      }
      await systemClock.sleep(500, signal);
    }
  }

  #take(text: string): void {
    if (!text.startsWith("data:")) return;
    const tick = tickEvent.safeParse(JSON.parse(text.slice(5)));
    if (tick.success && tick.data.usage) this.#ticks.push({ at: tick.data.at, cpuMs: tick.data.usage.cpu });
  }

  #second(from: number): number {
    return this.#ticks.reduce((sum, { at, cpuMs }) => (at > from && at <= from + 1_000 ? sum + cpuMs : sum), 0);
  }

  /** The last seconds as bars, each full at two cores. */
  bars(left: number): string {
    const now = Math.floor(Date.now() / 1_000) * 1_000;
    const levels = "▁▂▃▄▅▆▇█";
    const seconds = Array.from({ length: 30 }, (_, at) => this.#second(now - (30 - at) * 1_000 - 500));
    const highest = Math.max(...seconds, 1);
    const bars = seconds.map((ms) => levels[Math.min(7, Math.floor((ms / highest) * 8))]).join("");
    return `${bars} ${Math.round(seconds.at(-1) ?? 0)} ms of processor time in the last second; ${left} s to go`;
  }

  judge(from: number, seconds: number, reports: readonly Report[]): { readonly text: string } {
    const used: number[] = [];
    for (let at = from; at < from + seconds * 1_000; at += 1_000) {
      if (reports.some(({ arrivedAt, endedAt }) => arrivedAt < at + 1_000 && endedAt > at)) used.push(this.#second(at));
    }
    const within = reports.filter(({ arrivedAt }) => arrivedAt >= from && arrivedAt < from + seconds * 1_000);
    const delays = within.map(({ arrivedAt, begunAt }) => (begunAt - arrivedAt) / 1_000).sort((a, b) => a - b);
    const mean = used.reduce((sum, one) => sum + one, 0) / Math.max(1, used.length);
    const inBand = Math.round((levelShare(used) ?? 0) * used.length);
    const delay = (share: number) => (percentile(delays, share) ?? 0).toFixed(1);
    return {
      text: `${inBand} of ${used.length} busy seconds within 10% of their mean (${Math.round(mean)} ms; highest ${Math.round(Math.max(0, ...used))}, lowest ${Math.round(Math.min(...used, 1e9))}); ${within.length} reports, held for ${delay(0.5)} s (median), ${delay(0.95)} s (95%), ${delay(1)} s (longest)`,
    };
  }
}
