import { join } from "node:path";
import { type Command, Option } from "commander";
import { levelShare, percentile } from "../core/workload/measures.ts";
import { promiseOf } from "../core/workload/pacing/floor.ts";
import { DemoApplication, type ReportLine } from "../local/demo-application.ts";
import { createPostgresSession, type Session } from "../local/session.ts";
import { writeTpchQueries } from "../local/tpch.ts";
import { systemClock } from "../platform/clock.ts";
import { schedulerStatus } from "../platform/scheduler-status.ts";
import { defaultReach } from "../platform/server-address.ts";
import { createServerClient } from "../platform/server-client.ts";
import type { StreamEvent, TickEvent } from "../platform/wire.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print } from "./format.ts";
import { createLiveLine, type LiveLine } from "./live-line.ts";
import { ask } from "./observe.ts";
import { parseCount, parsePort } from "./options.ts";
import { interruption, prepareSession, startSession } from "./run-session.ts";

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
const band = 0.1;
/** Two cycles of bursts for the planner's mean, and time for what it holds to settle. */
const settleSeconds = 72;

export function addPostgresDemo(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  const directory = () => program.opts<{ directory: string }>().directory;
  program
    .command("postgres-demo")
    .description(
      "a real PostgreSQL under bursts of reports: first as it is, then with the gate; Ctrl-C stops everything",
    )
    .addOption(
      new Option(
        "--load <name>",
        "what the reports are: some 900 or 165 ms of processor time a second, or TPC-H's own 22 queries",
      )
        .choices(["heavy", "light", "tpch"])
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
  await prepareSession(directory, [
    [options.gatekeeperPort, "the gatekeeper", "--gatekeeper-port"],
    [options.schedulerPort, "the scheduler's status", "--scheduler-port"],
    [options.consolePort, "the console", "--console-port"],
  ]);
  const stop = interruption();

  const line = createLiveLine(process.stdout, systemClock.monotonic);
  const { load, seconds: lasting, once, gatekeeperPort, ...ports } = options;
  const session = createPostgresSession({
    ...ports,
    directory,
    latencyP95Seconds: burstSeconds,
    postgres: { gatekeeperPort, directory },
    onTrouble: line.say,
    signal: stop,
  });
  const over = new AbortController();
  try {
    const queriesFile = load === "tpch" ? await writeTpchQueries(directory, stop) : undefined;
    await startSession(session);
    print(`\nSee it live: ${session.consoleUrl}\n`);
    const seconds = followSeconds(session, AbortSignal.any([stop, over.signal]), line.say);
    const bursts = Math.ceil(lasting / burstSeconds);

    const application = (mode: "observe" | "enforce") =>
      new DemoApplication({
        ...{ load, mode, prepare: mode === "observe", cycle: bursts, queriesFile },
        environment: session.environment(),
        databaseUrl: session.postgres()?.tpchUrl ?? "",
        gatekeeperUrl: session.serverUrl,
      });

    const naive = application("observe");
    const naiveAt = await naive.origin;
    line.say(
      `For ${bursts * burstSeconds} s reports come every ${burstSeconds} s and run at once, as they do in most places; costs are learned meanwhile.`,
    );
    await show(line, seconds, naiveAt, bursts * burstSeconds, stop);
    await naive.stop();
    const before = judge(seconds, naive.reports, naiveAt, naiveAt + bursts * burstSeconds * 1_000);
    line.say(`Without the gate: ${before}`);

    const gated = application("enforce");
    const gatedAt = await gated.origin;
    line.say(`Now each report may be held for 20 s; for ${settleSeconds} s the plan settles.`);
    let from = gatedAt + settleSeconds * 1_000;
    await show(line, seconds, gatedAt, settleSeconds - 1, stop);
    while (!stop.aborted && !(await steers(session, line))) {
      await systemClock.sleep(1_000, stop);
      from = gatedAt + (Math.ceil((Date.now() - gatedAt) / 1_000 / burstSeconds) + 2) * burstSeconds * 1_000;
    }
    line.say(`Measuring ${bursts * burstSeconds} s with the gate.`);
    await show(line, seconds, from, bursts * burstSeconds, stop);
    const until = from + bursts * burstSeconds * 1_000;
    const after = judge(seconds, gated.reports, from, until);
    const promise = promiseOf(await floorOf(session), band);
    line.clear();
    print(`\nWithout the gate: ${before}\nWith the gate:    ${after}\n`);
    if (promise.why) {
      const used = busySeconds(seconds, gated.reports, from, until);
      print(`Here ${promise.why}, which ${withinBand(used, promise.width)} keep.\n`);
    }
    if (!once) print("It goes on until Ctrl-C.");
    while (!once && !stop.aborted) await show(line, seconds, Date.now(), burstSeconds, stop);
    await gated.stop();
    return exitStatus.ok;
  } catch (error) {
    if (!stop.aborted) throw error;
    return exitStatus.ok;
  } finally {
    line.clear();
    print("stopping");
    over.abort();
    await session.stop();
  }
}

async function steers(session: Session, line: LiveLine): Promise<boolean> {
  const answer = await ask(`${session.schedulerUrl}/status`, schedulerStatus, undefined);
  if (!answer.ok) return false;
  const { mode, advice } = answer.value;
  line.show(`the scheduler is ${mode}${advice ? `: ${advice}` : ""}`);
  return mode === "steering";
}

/** The narrowest band that can be kept, as the scheduler has it; undefined while it is not known. */
async function floorOf(session: Session) {
  const answer = await ask(`${session.schedulerUrl}/status`, schedulerStatus, undefined);
  return answer.ok ? answer.value.floor : undefined;
}

async function show(
  line: LiveLine,
  told: readonly Second[],
  from: number,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const until = from + seconds * 1_000;
  while (Date.now() < until) {
    signal.throwIfAborted();
    line.show(bars(told, Math.ceil((until - Date.now()) / 1_000)));
    await systemClock.sleep(500, signal);
  }
  // What the last second used is told a moment later.
  await systemClock.sleep(1_000, signal);
}

/** A metrics window of the gatekeeper's: Unix ms, and CPU ms of the whole database. */
interface Second {
  readonly from: number;
  readonly to: number;
  readonly cpuMs: number;
}

/** The gatekeeper's windows as they close, until `signal` aborts: what the scheduler levels are these. */
function followSeconds(session: Session, signal: AbortSignal, say: (line: string) => void): readonly Second[] {
  const seconds: Second[] = [];
  let tickMs = 0;
  let ticks: TickEvent[] = [];
  const onEvent = (event: StreamEvent): undefined => {
    if (event.type === "hello") {
      tickMs = event.tickMs;
      ticks = [];
      return;
    }
    ticks.push(event);
    const { window } = event;
    if (!window) return;
    const within = ticks.filter(({ tick }) => tick >= window.firstTick);
    const cpuMs = within.reduce((sum, { usage }) => sum + ((usage?.cpu ?? 0) * tickMs) / 100, 0);
    const [first] = within;
    if (first?.tick === window.firstTick) seconds.push({ from: first.at, to: event.at + tickMs, cpuMs });
    ticks = [];
  };
  const onTrouble = ({ message }: Error) => say(message);
  const client = createServerClient({
    url: session.serverUrl,
    token: session.environment().EVENKEEL_TOKEN,
    reach: defaultReach,
    clock: systemClock,
    random: Math.random,
  });
  client.follow({ signal, onEvent, onTrouble }).catch(onTrouble);
  return seconds;
}

/** The last seconds as bars, each full at the highest of them. */
function bars(seconds: readonly Second[], left: number): string {
  const levels = "▁▂▃▄▅▆▇█";
  const latest = seconds.slice(-30).map(({ cpuMs }) => cpuMs);
  const highest = Math.max(...latest, 1);
  const drawn = latest.map((ms) => levels[Math.min(7, Math.floor((ms / highest) * 8))]).join("");
  return `${drawn} ${Math.round(latest.at(-1) ?? 0)} ms of processor time in the last second; ${left} s to go`;
}

/** CPU ms of the seconds between two moments (Unix ms) in which reports waited or ran. */
function busySeconds(
  seconds: readonly Second[],
  reports: readonly ReportLine[],
  from: number,
  until: number,
): readonly number[] {
  const busy = seconds.filter(
    (one) =>
      one.from >= from &&
      one.to <= until &&
      reports.some(({ arrivedAt, endedAt }) => arrivedAt < one.to && endedAt > one.from),
  );
  return busy.map(({ cpuMs }) => cpuMs);
}

function withinBand(used: readonly number[], width: number): string {
  return `${Math.round((levelShare(used, width) ?? 0) * used.length)} of ${used.length} busy seconds`;
}

/** What the seconds and reports between two moments (Unix ms) come to, in a line. */
function judge(seconds: readonly Second[], reports: readonly ReportLine[], from: number, until: number): string {
  const used = busySeconds(seconds, reports, from, until);
  const within = reports.filter(({ arrivedAt }) => arrivedAt >= from && arrivedAt < until);
  const delays = within.map(({ arrivedAt, begunAt }) => (begunAt - arrivedAt) / 1_000).sort((a, b) => a - b);
  const mean = used.reduce((sum, one) => sum + one, 0) / Math.max(1, used.length);
  const delay = (share: number) => (percentile(delays, share) ?? 0).toFixed(1);
  const range = `highest ${Math.round(Math.max(0, ...used))}, lowest ${used.length === 0 ? 0 : Math.round(Math.min(...used))}`;
  return `${withinBand(used, band)} within 10% of their mean (${Math.round(mean)} ms; ${range}); ${within.length} reports, held for ${delay(0.5)} s (median), ${delay(0.95)} s (95%), ${delay(1)} s (longest)`;
}
