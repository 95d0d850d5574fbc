/** `bench gate`: what the gate costs an application in mode observe, before a real PostgreSQL. */
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Pool } from "pg";
import { prepareBackground, transaction } from "../demo/postgres/background.ts";
import { createGate, type Gate } from "../gate/src/gate.ts";
import { gatePool } from "../gate/src/pg.ts";
import { startPostgres } from "../local/postgres.ts";
import { ProcessTree } from "../services/sampler/process-tree.ts";
import { aloneOf } from "./gate/alone.ts";
import { canPin, cpuUs, pin, startGatekeeper } from "./gate/processes.ts";
import { type Load, throughputOf, turnMs } from "./gate/throughput.ts";
import { positive, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `An application before a real PostgreSQL, through the gate (mode observe, a gatekeeper at work) and without it, in
short turns one after the other: a point query (the application does nothing but wait for the next one), a query of
about a millisecond of PostgreSQL's time, a transaction of pgbench's kind (seven statements), and a report of some tens of
milliseconds. The first two also with the gatekeeper on a core of its own, application and PostgreSQL on another (as in
production, where it is elsewhere).

  bench gate [options]

  --seconds <n>   of all turns together (60)
  --clients <n>   connections that run statements one after the other (8)
  --json          one JSON line for machines

throughput...    a second through the gate over those without it: median of neighbouring turns
cpu...           processor time of one without the gate over that through it, in application and PostgreSQL; with
                 "All": the gatekeeper's, too. What throughput comes to on full cores, whatever else runs on the machine
gateCpuUs        processor time in the application's process that a statement takes more through the gate
alone...         the same of the library by itself, for work that does nothing: us for each call, and ms for each second
gatekeeperCpuUs  processor time of the gatekeeper for each execution
overheadP99Ms    what a call takes longer than what it runs; with "Burst": of reports that start together on full cores;
                 "Bare": the same measured around a gate that does nothing
`;

/** One in so many statements has its constants in its text, so that the gate does not know it. */
const literalEvery = 10;
const burstReports = 16;
const warmUpMs = 6_000;
const aloneRounds = 7;

type Runner = Pick<Gate, "run">;
type Statement = () => [text: string, values: number[]];
let asked = 0;

const point: Statement = () => {
  asked++;
  return asked % literalEvery === 0
    ? [`select oid, relname from pg_class where oid = ${asked}`, []]
    : ["select oid, relname from pg_class where oid = $1", [1_000 + (asked % 300)]];
};
const millisecond: Statement = () => {
  asked++;
  const text = "select count(*), sum(length(attname)), max(md5(attname)) from pg_attribute where attnum >";
  return asked % literalEvery === 0 ? [`${text} ${-(asked % 50)}`, []] : [`${text} $1`, [-(asked % 50)]];
};
const report: Statement = () => ["select sum(sqrt(n)) from generate_series(1, $1) n", [200_000]];
const each = (statement: Statement): Load => {
  return (pool) => pool.query(...statement());
};
const bare: Runner = { run: async (_, fn) => fn() };

/** Called by `bench/main.ts`. */
export async function gate(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string", default: "60" },
      clients: { type: "string", default: "8" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const ms = positive("seconds", values.seconds) * 1_000;
  const clients = wholeNumber("clients", values.clients, 100);
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  const postgres = await startPostgres({ directory });
  const gatekeeper = await startGatekeeper(directory);
  const tree = new ProcessTree({ pid: postgres.pid });
  const postgresUs = () => (tree.read()?.cpuMs ?? 0) * 1_000;
  const pool = new Pool({
    connectionString: postgres.url(),
    max: Math.max(clients, burstReports),
    idleTimeoutMillis: 0,
  });
  try {
    const observing = createGate({
      ...{ url: gatekeeper.url, token: gatekeeper.token, database: "postgres", role: "bench", mode: "observe" },
      onWarning: ({ message }) => process.stderr.write(`${message}\n`),
    });
    await Promise.all(Array.from({ length: burstReports }, () => pool.query("select pg_sleep(0.1)")));
    await prepareBackground(pool);
    const throughput = (load: Load) =>
      throughputOf({
        pool,
        gated: gatePool(pool, observing),
        clients,
        load,
        ms: ms / 8,
        gatekeeperUs: () => cpuUs(gatekeeper.pid),
        postgresUs,
      });
    // A parser of WebAssembly and much else is compiled in the first seconds.
    const warm = performance.now() + warmUpMs;
    while (performance.now() < warm) await steady(pool, observing, clients);
    const here = [process.pid, postgres.pid];
    const ownCore = canPin();
    if (ownCore) {
      pin(here, "0");
      pin([gatekeeper.pid], "1");
    }
    const apart = ownCore
      ? { point: await throughput(each(point)), millisecond: await throughput(each(millisecond)) }
      : undefined;
    if (ownCore) pin([...here, gatekeeper.pid], `0-${availableParallelism() - 1}`);
    const shared = {
      point: await throughput(each(point)),
      millisecond: await throughput(each(millisecond)),
      transaction: await throughput((through) => transaction(through, Math.random)),
      report: await throughput(each(report)),
    };
    const [calls = [], bareCalls = []] = await overheads(
      [observing, bare],
      (runner) => steady(pool, runner, clients),
      ms / 8,
    );
    const [burst = [], bareBurst = []] = await overheads([observing, bare], (runner) => burstOf(pool, runner), ms / 8);
    const alone = await aloneOf(observing, aloneRounds);
    await observing.close();
    const result = {
      throughputOwnCore: share(apart?.millisecond.ratio),
      throughputOwnCorePoint: share(apart?.point.ratio),
      throughputShared: share(shared.millisecond.ratio),
      throughputSharedPoint: share(shared.point.ratio),
      throughputSharedTransaction: share(shared.transaction.ratio),
      throughputSharedReport: share(shared.report.ratio),
      cpuMillisecond: share(shared.millisecond.cpu),
      cpuPoint: share(shared.point.cpu),
      cpuTransaction: share(shared.transaction.cpu),
      cpuReport: share(shared.report.cpu),
      cpuMillisecondAll: share(shared.millisecond.cpuAll),
      cpuPointAll: share(shared.point.cpuAll),
      perSecondPoint: rounded(shared.point.ungated, 0),
      perSecondMillisecond: rounded(shared.millisecond.ungated, 0),
      ungatedCpuUs: rounded((apart ?? shared).point.ungatedCpuUs, 1),
      gateCpuUs: rounded((apart ?? shared).point.gateCpuUs, 1),
      aloneCallUs: rounded(alone.callUs, 1),
      aloneSecondMs: rounded(alone.secondMs, 1),
      gatekeeperCpuUs: rounded((apart ?? shared).point.gatekeeperCpuUs, 1),
      overheadP50Ms: rounded(quantile(calls, 0.5), 4),
      overheadP99Ms: rounded(quantile(calls, 0.99), 4),
      overheadP99MsBare: rounded(quantile(bareCalls, 0.99), 4),
      overheadP99MsBurst: rounded(quantile(burst, 0.99), 4),
      overheadP99MsBurstBare: rounded(quantile(bareBurst, 0.99), 4),
    };
    print(result, values.json);
  } finally {
    await pool.end();
    await gatekeeper.stop();
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function share(ratio: number | undefined): number | null {
  return ratio === undefined ? null : rounded(ratio, 4);
}

/** Ms that calls take longer than what they run, through each runner in turns. */
async function overheads(
  runners: readonly Runner[],
  turn: (runner: Runner) => Promise<number[]>,
  ms: number,
): Promise<number[][]> {
  const all: number[][] = runners.map(() => []);
  const until = performance.now() + ms;
  while (performance.now() < until) {
    for (const [index, runner] of runners.entries()) all[index]?.push(...(await turn(runner)));
  }
  return all;
}

/** Until what it runs is called, and after that has its result. */
async function overheadOf(pool: Pool, runner: Runner, statement: Statement): Promise<number> {
  const [sql, values] = statement();
  let [called, returned] = [0, 0];
  const from = performance.now();
  await runner.run({ sql, deferBy: 0 }, async () => {
    called = performance.now();
    const result = await pool.query(sql, values);
    returned = performance.now();
    return result;
  });
  return called - from + (performance.now() - returned);
}

async function steady(pool: Pool, runner: Runner, clients: number): Promise<number[]> {
  const measured: number[] = [];
  const until = performance.now() + turnMs;
  const client = async () => {
    while (performance.now() < until) measured.push(await overheadOf(pool, runner, point));
  };
  await Promise.all(Array.from({ length: clients }, client));
  return measured;
}

/** Reports that start together, a burst after a pause. */
async function burstOf(pool: Pool, runner: Runner): Promise<number[]> {
  await sleep(100);
  return Promise.all(Array.from({ length: burstReports }, () => overheadOf(pool, runner, report)));
}
