import { type Command, Option } from "commander";
import { type CloudKind, cloudKinds } from "../local/cloud.ts";
import { dockerAnswers } from "../local/localstack.ts";
import { scenarioFile } from "../local/loop.ts";
import { createSession, type Session, type SessionOptions } from "../local/session.ts";
import { systemClock } from "../platform/clock.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatTable, print } from "./format.ts";
import { createLiveLine, type LiveLine } from "./live-line.ts";
import { observe, statusLine } from "./observe.ts";
import { parseBudget, parseCount, parsePort } from "./options.ts";
import { interruption, prepareSession, startSession, type WantedPort } from "./run-session.ts";

interface UpOptions {
  readonly scenario: string;
  readonly seed?: number;
  readonly cloud?: CloudKind;
  readonly cloudPort: number;
  readonly serverPort: number;
  readonly schedulerPort: number;
  readonly tapPort: number;
  readonly consolePort: number;
  readonly latencyP95?: number;
  readonly scheduler: boolean;
  readonly plain: boolean;
}

export function addUp(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  const directory = () => program.opts<{ directory: string }>().directory;
  program
    .command("up")
    .description("start the whole loop on this machine, and stop it with Ctrl-C; a later start goes on from there")
    .option(
      "--scenario <name|file>",
      "what the simulated database does: a scenario's name, or a parameter file",
      "default",
    )
    .option("--seed <number>", "another seed for the scenario", parseCount)
    .addOption(
      new Option("--cloud <kind>", "default: localstack where a Docker engine answers, else embedded")
        .choices(cloudKinds)
        .env("CLOUD"),
    )
    .option("--cloud-port <port>", "the cloud's port", parsePort, 4566)
    .option("--server-port <port>", "the simulated database's port", parsePort, 9000)
    .option("--scheduler-port <port>", "the port of the scheduler's status", parsePort, 9010)
    .option("--tap-port <port>", "the tap's port", parsePort, 9020)
    .option("--console-port <port>", "the console's port", parsePort, 9030)
    .option("--latency-p95 <seconds>", "the 95th percentile of the delay that you are ready to pay", parseBudget)
    .option("--no-scheduler", "record and learn, but delay nothing")
    .option("--plain", "a database with only the three calls that every server has, behind the tap", false)
    .action((options: UpOptions) => run(up(options, directory())));
}

async function up(options: UpOptions, directory: string): Promise<ExitStatus> {
  scenarioFile(options.scenario);
  const ports: WantedPort[] = [[options.serverPort, "the simulated database", "--server-port"]];
  if (options.plain) ports.push([options.tapPort, "the tap", "--tap-port"]);
  if (options.scheduler) ports.push([options.schedulerPort, "the scheduler's status", "--scheduler-port"]);
  ports.push([options.consolePort, "the console", "--console-port"]);
  await prepareSession(directory, ports);
  const stop = interruption();

  const line = createLiveLine(process.stdout, systemClock.monotonic);
  const cloud = options.cloud ?? ((await dockerAnswers()) ? "localstack" : "embedded");
  const { latencyP95, ...loop } = options;
  const sessionOptions: SessionOptions = {
    ...loop,
    directory,
    cloud,
    seed: options.seed,
    latencyP95Seconds: latencyP95,
    onTrouble: line.say,
    signal: stop,
  };
  while (!stop.aborted) {
    const session = createSession(sessionOptions);
    const over = new AbortController();
    try {
      await startSession(session);
      print(`\n${formatTable(["", ""], session.addresses()).trim()}\n`);
      print("Look closer with bin/evenkeel status | costs | audit | tail. Ctrl-C stops everything; state is kept.");
      print(`See the load level itself: ${session.consoleUrl}\n`);
      const ended = await Promise.race([
        watch(session, line, AbortSignal.any([stop, over.signal])),
        session.cloudEnded,
      ]);
      if (ended !== undefined) line.say(`the cloud ended (${ended}): everything starts again`);
    } catch (error) {
      if (!stop.aborted) throw error;
    } finally {
      over.abort();
      line.clear();
      if (stop.aborted) print("stopping (Ctrl-C again ends at once, and the cloud's latest state is lost)");
      await session.stop();
    }
  }
  return exitStatus.ok;
}

/** Shows how the loop does until `signal` aborts. */
async function watch(session: Session, line: LiveLine, signal: AbortSignal): Promise<undefined> {
  const before = await observe(session.serverUrl, undefined);
  const recordedBefore = before.server.ok ? before.server.value.outbox.recordedThrough : 0;
  let recording = false;
  while (!signal.aborted) {
    const observation = await observe(session.serverUrl, session.schedulerUrl);
    if (signal.aborted) break;
    line.show(statusLine(observation));
    if (!recording && observation.server.ok && observation.server.value.outbox.recordedThrough > recordedBefore) {
      recording = true;
      const seconds = performance.now() / 1_000;
      line.say(`the first executions are recorded, ${seconds.toFixed(1)} s after the start`);
    }
    await systemClock.sleep(recording ? 1_000 : 250, signal);
  }
  return undefined;
}
