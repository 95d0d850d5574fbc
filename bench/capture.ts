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
import { readLedger } from "../platform/ledger-file.ts";
import { createLog, type Log } from "../platform/log.ts";
import { type Outbox, openOutbox } from "../platform/outbox.ts";
import { scanExecutions } from "../platform/tables/executions.ts";
import { Engine } from "../sim-server/database/engine.ts";
import { Ledger } from "../sim-server/database/ledger.ts";
import { loadParameters } from "../sim-server/database/parameters.ts";
import { DatabaseServer } from "../sim-server/database/server.ts";
import { print, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `Executions per second from the engine to the table, on a cloud of its own, and what is missing there.

  bench capture [options]

  --events <n>   executions (100000)
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
}

const serverId = "bench";
/** Ticks before sending gets its turn. */
const ticksAtOnce = 10;
/** Without any receipt for this long the bench gives up. */
const patienceMs = 120_000;

export async function measureCapture(events: number, log: Log): Promise<CaptureResult> {
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

    const start = performance.now();
    while (server.info().counted.executions < events) {
      for (let tick = 0; tick < ticksAtOnce; tick++) server.runTick();
      await systemClock.sleep(0);
    }
    await untilRecorded(outbox);
    const seconds = (performance.now() - start) / 1_000;
    const executed = server.info().counted.executions;
    stop.abort();
    await sending;
    ledger.close();
    outbox.close();

    const { lost, duplicated } = await compare(environment, serverId, ledgerFile);
    return {
      events: executed,
      seconds: rounded(seconds, 3),
      eventsPerSecond: rounded(executed / seconds, 0),
      lost,
      duplicated,
    };
  } finally {
    stop.abort();
    await cloud.stop();
  }
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

/**
 * A server's ledger against every row of it in the table: lost is what was executed and is not there under its number with
 * its content; duplicated is what is there besides.
 */
export async function compare(
  environment: Readonly<Record<string, string | undefined>>,
  serverId: string,
  ledgerFile: string,
): Promise<{ lost: number; duplicated: number }> {
  const names = parseEnvironment(workloadEnvironment.pick({ EVENKEEL_EXECUTIONS_TABLE: true }), environment);
  const document = createDocument(environment);
  const recorded = new Map<string, number>();
  const identity = (row: {
    incarnation?: string | undefined;
    sequence?: number | undefined;
    executionId: string;
    queryId: string;
    tick: number;
  }) => `${row.incarnation} ${row.sequence} ${row.executionId} ${row.queryId} ${row.tick}`;
  for await (const item of scanExecutions(document, names.EVENKEEL_EXECUTIONS_TABLE, serverId)) {
    const id = identity(item);
    recorded.set(id, (recorded.get(id) ?? 0) + 1);
  }
  document.destroy();
  let lost = 0;
  let duplicated = 0;
  for await (const entry of readLedger(ledgerFile)) {
    const id = identity(entry);
    const times = recorded.get(id) ?? 0;
    if (times === 0) lost++;
    else duplicated += times - 1;
    recorded.delete(id);
  }
  for (const times of recorded.values()) duplicated += times;
  return { lost, duplicated };
}

/** Called by `bench/main.ts`. Exit status 1 when anything is lost or duplicated. */
export async function capture(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      events: { type: "string", default: "100000" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const result = await measureCapture(wholeNumber("events", values.events, 100_000_000), createLog("bench"));
  print(result, values.json);
  if (result.lost > 0 || result.duplicated > 0) process.exitCode = 1;
}
