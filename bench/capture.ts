/** `bench capture`: from the engine through outbox, queue and function into the table, and is every execution there once? */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { startTemporaryCloud } from "../local/temporary-cloud.ts";
import { createDocument } from "../platform/aws.ts";
import { createCapture } from "../platform/capture.ts";
import { systemClock } from "../platform/clock.ts";
import { parseEnvironment } from "../platform/config.ts";
import { workloadEnvironment } from "../platform/environment.ts";
import { createLog, type Log } from "../platform/log.ts";
import { type Outbox, openOutbox } from "../platform/outbox.ts";
import { Engine } from "../sim-server/database/engine.ts";
import { Ledger } from "../sim-server/database/ledger.ts";
import { loadParameters } from "../sim-server/database/parameters.ts";
import { DatabaseServer } from "../sim-server/database/server.ts";
import { compare } from "./capture/compare.ts";
import { processMegabytes, processorTime, recorderPid } from "./capture/processes.ts";
import { rawRate } from "./capture/raw.ts";
import { positive, print, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `Executions per second from the engine to the table, on a cloud of its own, and what is missing there.

  bench capture [options]

  --events <n>   executions (100000)
  --minutes <n>  keep the emulator at its limit for so long instead, and watch memory and outbox; the emulator keeps
                 its tables in memory, 2 kB an execution (10 minutes: up to 10 GB)
  --raw          measure the emulator's own batch writes of such items, before and after, and give the ratio to them: 20,000
                 items; with --minutes for a minute each, as the emulator looks through all its items once a minute
  --json         one JSON line for machines
`;

export interface CaptureResult {
  readonly events: number;
  /** From the first execution to the last receipt. */
  readonly seconds: number;
  readonly eventsPerSecond: number;
  /** In the engine's ledger and not in the table, or otherwise there. */
  readonly lost: number;
  /** In the table more than once, or never executed. */
  readonly duplicated: number;
  /**
   * With `raw`: items a second of batch writes alone, before all else and after it (a shared machine's speed varies), and how
   * much of the mean of both is reached end to end.
   */
  readonly rawPerSecond?: number;
  readonly rawAfterPerSecond?: number;
  readonly ratio?: number;
  /** Processor time of an execution in microseconds, all that belongs to it included; with `raw` of an item written alone. */
  readonly processor: ProcessorTimes & { readonly raw?: Pick<ProcessorTimes, "sender" | "emulator"> };
  /** With `minutes`: resident memory of sender (with engine and outbox) and function, ten times, the last at the load's end. */
  readonly senderMegabytes?: readonly number[];
  readonly functionMegabytes?: readonly number[];
  /** With `minutes`: of the outbox's file when the load ended and when all was recorded. */
  readonly outboxMegabytes?: readonly number[];
}

export interface ProcessorTimes {
  /** Of this process: engine, outbox and sender; with `raw` what writes. */
  readonly sender: number;
  readonly function: number;
  readonly emulator: number;
}

export interface CaptureBench {
  readonly events: number;
  /** Instead of `events`. */
  readonly minutes?: number;
  readonly raw?: boolean;
}

const serverId = "bench";
/** Ticks before sending gets its turn. */
const ticksAtOnce = 10;
/** With `minutes` no more rows than this wait: enough to keep the recorder busy. */
const backlog = 25_000;
/** Without any receipt for this long the bench gives up. */
const patienceMs = 120_000;

export async function measureCapture({ events, minutes, raw }: CaptureBench, log: Log): Promise<CaptureResult> {
  const cloud = await startTemporaryCloud();
  const outboxFile = join(cloud.directory, "outbox.sqlite");
  const ledgerFile = join(cloud.directory, "ledger.log");
  const stop = new AbortController();
  try {
    const outbox = openOutbox({ file: outboxFile, serverId, diskBoundBytes: 2 ** 40, clock: systemClock, log });
    const environment = cloud.environment;
    const capture = createCapture({ environment, outbox, kind: "native", clock: systemClock, log });
    const epoch = randomUUID();
    const ledger = new Ledger(ledgerFile, epoch, serverId);
    const engine = new Engine(loadParameters("ten"));
    const server = new DatabaseServer({
      serverId,
      epoch,
      engine,
      clock: systemClock,
      log,
      ledger,
      outbox,
      outboxInfo: capture.info,
    });
    const sending = capture.run("http://localhost:0", stop.signal);

    const cloudPid = cloud.cloud.child?.pid;
    const rawMs = minutes === undefined ? 0 : 60_000;
    const measureRaw = () => rawRate(environment, () => processorTimes(cloudPid), rawMs);
    const written = raw ? await measureRaw() : undefined;
    const watched = minutes === undefined ? undefined : watch(cloudPid, outbox, minutes, log);
    const before = processorTimes(cloudPid);
    const start = performance.now();
    const more = () =>
      minutes === undefined ? server.info().counted.executions < events : performance.now() - start < minutes * 60_000;
    while (more()) {
      for (let tick = 0; tick < ticksAtOnce; tick++) server.runTick();
      await systemClock.sleep(0);
      while (minutes !== undefined && outbox.state().waiting > backlog) await systemClock.sleep(20);
    }
    watched?.loadEnded();
    await untilRecorded(outbox);
    const seconds = (performance.now() - start) / 1_000;
    const executed = server.info().counted.executions;
    const after = processorTimes(cloudPid);
    const memory = watched?.ended();
    stop.abort();
    await sending;
    ledger.close();
    outbox.close();

    log.info("all is recorded, and compared with the ledger now", { executed });
    const document = createDocument(environment);
    const { EVENKEEL_EXECUTIONS_TABLE: table } = parseEnvironment(
      workloadEnvironment.pick({ EVENKEEL_EXECUTIONS_TABLE: true }),
      environment,
    );
    const { lost, duplicated } = await compare(document, table, serverId, ledgerFile);
    document.destroy();
    const later = raw ? await measureRaw() : undefined;
    return {
      events: executed,
      seconds: rounded(seconds, 3),
      eventsPerSecond: rounded(executed / seconds, 0),
      lost,
      duplicated,
      ...(written &&
        later && {
          rawPerSecond: rounded(written.perSecond, 0),
          rawAfterPerSecond: rounded(later.perSecond, 0),
          ratio: rounded((2 * executed) / seconds / (written.perSecond + later.perSecond), 3),
        }),
      processor: { ...perRow(before, after, executed), ...(written && { raw: written.processor }) },
      ...memory,
    };
  } finally {
    stop.abort();
    await cloud.stop();
  }
}

function processorTimes(cloudPid: number | undefined): ProcessorTimes {
  // The function starts with its first message.
  const recorder = processorTime(recorderPid(cloudPid));
  return {
    sender: processorTime(process.pid),
    function: Number.isNaN(recorder) ? 0 : recorder,
    emulator: processorTime(cloudPid),
  };
}

function perRow(before: ProcessorTimes, after: ProcessorTimes, rows: number): ProcessorTimes {
  const of = (name: keyof ProcessorTimes) => rounded((after[name] - before[name]) / rows, 1);
  return { sender: of("sender"), function: of("function"), emulator: of("emulator") };
}

const looks = 10;

/** Memory, ten times while the load lasts; the outbox's file when it ends, and when all is recorded. */
function watch(cloudPid: number | undefined, outbox: Outbox, minutes: number, log: Log) {
  const senderMegabytes: number[] = [];
  const functionMegabytes: number[] = [];
  const outboxMegabytes: number[] = [];
  const look = () => {
    senderMegabytes.push(processMegabytes(process.pid));
    functionMegabytes.push(processMegabytes(recorderPid(cloudPid)));
    const { lastSequence: rows, waiting } = outbox.state();
    const emulatorMegabytes = processMegabytes(cloudPid);
    log.info(`${senderMegabytes.length} of ${looks} parts of the load`, { rows, waiting, emulatorMegabytes });
  };
  const lookAtOutbox = () => outboxMegabytes.push(rounded(outbox.state().bytes / 2 ** 20, 1));
  const timer = setInterval(look, (minutes * 60_000) / looks);
  return {
    loadEnded() {
      clearInterval(timer);
      if (senderMegabytes.length < looks) look();
      lookAtOutbox();
    },
    ended() {
      lookAtOutbox();
      return { senderMegabytes, functionMegabytes, outboxMegabytes };
    },
  };
}

async function untilRecorded(outbox: Outbox): Promise<void> {
  let waiting = outbox.state().waiting;
  let movedAt = performance.now();
  while (waiting > 0) {
    await systemClock.sleep(20);
    const now = outbox.state().waiting;
    if (now < waiting) movedAt = performance.now();
    if (performance.now() - movedAt > patienceMs) throw new Error(`${now} rows wait, and no receipt comes`);
    waiting = now;
  }
}

/** Called by `bench/main.ts`. Exit status 1 when anything is lost or duplicated. */
export async function capture(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      events: { type: "string", default: "100000" },
      minutes: { type: "string" },
      raw: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const { raw, minutes } = values;
  const events = wholeNumber("events", values.events, 100_000_000);
  const load = { events, raw, ...(minutes === undefined ? {} : { minutes: positive("minutes", minutes) }) };
  const result = await measureCapture(load, createLog("bench"));
  print(result, values.json);
  if (result.lost > 0 || result.duplicated > 0) process.exitCode = 1;
}
