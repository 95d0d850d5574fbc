/** `bench gate`: what the gate costs an application in mode observe, before a real PostgreSQL. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Pool } from "pg";
import { createGate, type Gate } from "../gate/src/gate.ts";
import { gatePool } from "../gate/src/pg.ts";
import { startPostgres } from "../local/postgres.ts";
import { positive, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `An application before a real PostgreSQL, through the gate (mode observe, a gatekeeper at work) and without it.

  bench gate [options]

  --seconds <n>   of each, in turns of half a second (20)
  --clients <n>   connections that run statements one after the other (8)
  --json          one JSON line for machines
`;

const turnMs = 500;
/** One in so many statements has its constants in its text, so that the gate does not know it. */
const literalEvery = 10;

/** Called by `bench/main.ts`. */
export async function gate(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string", default: "20" },
      clients: { type: "string", default: "8" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const seconds = positive("seconds", values.seconds);
  const clients = wholeNumber("clients", values.clients, 100);
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  const token = randomUUID();
  const postgres = await startPostgres({ directory });
  const gatekeeper = startGatekeeper(directory, token);
  const pool = new Pool({ connectionString: postgres.url(), max: clients });
  try {
    const observing = createGate({
      ...{ url: await gatekeeper.url, token, database: "postgres", role: "bench", mode: "observe" },
      onWarning: ({ message }) => process.stderr.write(`${message}\n`),
    });
    const overheads = await overheadPerCall(pool, observing, clients, Math.min(10, seconds) * 1_000);
    const { ratio, ungated, gated } = await throughput(pool, gatePool(pool, observing), clients, seconds * 1_000);
    await observing.close();
    const result = {
      calls: overheads.length,
      overheadP50Ms: rounded(quantile(overheads, 0.5), 4),
      overheadP99Ms: rounded(quantile(overheads, 0.99), 4),
      perSecondUngated: rounded(ungated, 0),
      perSecondGated: rounded(gated, 0),
      throughputRatio: rounded(ratio, 4),
    };
    print(result, values.json);
  } finally {
    await pool.end();
    await gatekeeper.stop();
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Nothing is sent on: that is another process's time. */
function startGatekeeper(directory: string, token: string) {
  const nowhere = "http://127.0.0.1:1";
  const names = ["EXECUTIONS_TABLE", "WINDOWS_TABLE", "SERVERS_TABLE"].map((name) => [`EVENKEEL_${name}`, "none"]);
  const child = spawn(process.execPath, ["services/gatekeeper/main.ts"], {
    env: {
      ...process.env,
      ...Object.fromEntries(names),
      ...{ EVENKEEL_QUEUE_URL: `${nowhere}/none.fifo`, AWS_ENDPOINT_URL: nowhere, AWS_REGION: "us-east-1" },
      ...{ AWS_ACCESS_KEY_ID: "none", AWS_SECRET_ACCESS_KEY: "none", PORT: "0" },
      ...{ EVENKEEL_DATA_DIR: join(directory, "gatekeeper"), EVENKEEL_TOKEN: token },
    },
    stdio: ["ignore", "pipe", openSync(join(directory, "gatekeeper.log"), "a")],
  });
  const ended = once(child, "exit");
  return {
    url: Promise.race([
      once(createInterface({ input: child.stdout ?? process.stdin }), "line").then(([line]) =>
        String(line).replace("listening ", ""),
      ),
      ended.then(() => Promise.reject(new Error("the gatekeeper ended before it listened"))),
    ]),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

let statements = 0;
/** Of a point query, as most of an application's are. */
function nextStatement(): [text: string, values: number[]] {
  statements++;
  return statements % literalEvery === 0
    ? [`select oid, relname from pg_class where oid = ${statements}`, []]
    : ["select oid, relname from pg_class where oid = $1", [1_000 + (statements % 300)]];
}

/** Ms that each call takes longer than what it runs: until that is called, and after it has its result. */
async function overheadPerCall(pool: Pool, observing: Gate, clients: number, ms: number): Promise<number[]> {
  const overheads: number[] = [];
  const until = performance.now() + ms;
  const client = async () => {
    while (performance.now() < until) {
      const [sql, values] = nextStatement();
      let [called, returned] = [0, 0];
      const asked = performance.now();
      await observing.run({ sql, deferBy: 0 }, async () => {
        called = performance.now();
        const result = await pool.query(sql, values);
        returned = performance.now();
        return result;
      });
      overheads.push(called - asked + (performance.now() - returned));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return overheads;
}

/** Statements a second through each pool, in turns; `ratio`: the median of neighbouring turns'. */
async function throughput(ungatedPool: Pool, gatedPool: Pool, clients: number, ms: number) {
  const turn = async (pool: Pool) => {
    const from = performance.now();
    let done = 0;
    const client = async () => {
      while (performance.now() - from < turnMs) {
        await pool.query(...nextStatement());
        done++;
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    return (done / (performance.now() - from)) * 1_000;
  };
  await turn(ungatedPool);
  await turn(gatedPool);
  const [ratios, ungated, gated]: [number[], number[], number[]] = [[], [], []];
  for (let pair = 0; pair * turnMs < ms; pair++) {
    // Neither is always first.
    const first = await turn(pair % 2 === 0 ? ungatedPool : gatedPool);
    const second = await turn(pair % 2 === 0 ? gatedPool : ungatedPool);
    const [without, through] = pair % 2 === 0 ? [first, second] : [second, first];
    ratios.push(through / without);
    ungated.push(without);
    gated.push(through);
  }
  return { ratio: quantile(ratios, 0.5), ungated: quantile(ungated, 0.5), gated: quantile(gated, 0.5) };
}
