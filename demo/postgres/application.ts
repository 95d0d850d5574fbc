/**
 * The application of the demonstration: a report mix that fires every 12 s in bursts over a background of short
 * transactions. Prints one JSON object a line for each report that ended, and one at its end. SIGUSR2 ends the bursts,
 * SIGTERM everything once what was asked for has ended. Settings: see `settings`.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import pg from "pg";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { skipN } from "pure-rand/utils/skipN";
import { z } from "zod";
import { createGate } from "../../gate/src/gate.ts";
import { ConfigError, parseEnvironment, wholeNumber } from "../../platform/config.ts";
import { prepareBackground, runBackground } from "./background.ts";
import { burstEveryMs, burstOf, loadNames, published, type Report } from "./reports.ts";

const settings = z.object({
  DATABASE_URL: z.string(),
  EVENKEEL_LOAD: z.enum(loadNames).default("heavy"),
  /** `off`: without the gate, which reads `EVENKEEL_GATE_URL` and `EVENKEEL_TOKEN` itself. */
  EVENKEEL_GATE_MODE: z.enum(["off", "observe", "shadow", "enforce"]).default("off"),
  /** How long a report may be held, in ms. */
  DEFER_BY_MS: wholeNumber.default(20_000),
  /** Bursts with an equal number within this ask for the same. */
  BURST_CYCLE: wholeNumber.default(5),
  PREPARE: z.enum(["yes", "no"]).default("yes"),
  /** Of load `tpch`: the published queries as JSON. */
  QUERIES_FILE: z.string().optional(),
});

/** Reports of one burst are asked for within this time, as those of a scheduler's minute are. */
const spreadMs = 300;
const poolSize = 20;
const backgroundPerSecond = { heavy: 30, light: 15, tpch: 30 } as const;

function randomOf(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  skipN(generator, 64);
  return () => uniformFloat64(generator);
}

const unixNow = () => performance.timeOrigin + performance.now();
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function main(): Promise<void> {
  const env = parseEnvironment(settings, process.env);
  const stop = new AbortController();
  const enough = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop.abort());
  stop.signal.addEventListener("abort", () => enough.abort());
  process.once("SIGUSR2", () => enough.abort());
  const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: poolSize, application_name: "reports" });
  const short = new pg.Pool({ connectionString: env.DATABASE_URL, max: 4, application_name: "short" });
  for (const one of [pool, short]) one.on("error", (error) => say({ type: "trouble", message: error.message }));
  if (env.PREPARE === "yes") await prepareBackground(short);

  const { EVENKEEL_GATE_MODE: mode, DEFER_BY_MS: deferBy } = env;
  const { pathname, username } = new URL(env.DATABASE_URL);
  const gate =
    mode === "off"
      ? undefined
      : createGate({
          mode,
          database: pathname.slice(1),
          role: username,
          onWarning: ({ message }) => say({ type: "warning", message }),
        });
  const queries = env.QUERIES_FILE ? published.parse(JSON.parse(readFileSync(env.QUERIES_FILE, "utf8"))) : [];
  // Ours by name: the pricing reports differ in nothing but a constant, and cost ten times as much as each other.
  const identify = ({ name, sql }: Report) => (env.EVENKEEL_LOAD === "tpch" ? { sql } : { id: name });
  type Step<Result> = () => Promise<Result>;
  const run = (report: Report, before: Step<void>, fn: Step<pg.QueryResult>) =>
    gate ? gate.run({ ...identify(report), deferBy, before }, fn) : before().then(fn);
  const overheads: { readonly burst: number; readonly ms: number }[] = [];
  const outstanding = new Set<Promise<void>>();

  const ask = async (report: Report, burst: number, index: number, arrivedAt: number): Promise<void> => {
    const times = { called: unixNow(), begun: 0, connected: 0, asked: 0, ended: 0 };
    let client: pg.PoolClient | undefined;
    const connect = async () => {
      times.begun = unixNow();
      client = await pool.connect();
      times.connected = unixNow();
    };
    const query = async () => {
      times.asked = unixNow();
      if (!client) throw new Error("there is no connection");
      const result = await client.query({ name: report.name, text: report.sql, values: [...report.parameters] });
      times.ended = unixNow();
      return result;
    };
    try {
      const { rows } = await run(report, connect, query);
      const { called, begun, connected, asked, ended } = times;
      overheads.push({ burst, ms: begun - called + (asked - connected) + (unixNow() - ended) });
      const checksum = createHash("sha256").update(JSON.stringify(rows)).digest("hex").slice(0, 16);
      say({ type: "report", burst, index, name: report.name, arrivedAt, begunAt: begun, endedAt: ended, checksum });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      say({ type: "failed", burst, index, name: report.name, arrivedAt, message });
    } finally {
      client?.release();
    }
  };

  const background = runBackground(short, {
    perSecond: backgroundPerSecond[env.EVENKEEL_LOAD],
    random: randomOf(7),
    signal: stop.signal,
  });
  const origin = Math.ceil(unixNow() + 500);
  let burst = 0;
  say({ type: "started", origin });
  while (!enough.signal.aborted) {
    const due = origin + burst * burstEveryMs;
    while (!enough.signal.aborted && unixNow() < due) await sleep(Math.min(100, due - unixNow()));
    if (enough.signal.aborted) break;
    const slot = burst % env.BURST_CYCLE;
    const random = randomOf(1_000 + slot);
    const reports = burstOf(env.EVENKEEL_LOAD, random, queries);
    say({ type: "burst", burst, reports: reports.length, at: due });
    for (const [index, report] of reports.entries()) {
      const arrivesAt = due + (index / reports.length) * spreadMs;
      if (unixNow() < arrivesAt) await sleep(arrivesAt - unixNow());
      const work = ask(report, burst, index, unixNow());
      outstanding.add(work);
      void work.then(() => outstanding.delete(work));
    }
    burst++;
  }
  await Promise.all([...outstanding, untilAborted(stop.signal)]);
  const transactions = await background;
  await gate?.close();
  // In the first burst the code is compiled: what a process that lasts pays is what comes later.
  const later = overheads.filter(({ burst }) => burst > 0);
  const counted = (later.length > 0 ? later : overheads).map(({ ms }) => ms).sort((one, other) => one - other);
  const at = (share: number) => counted[Math.max(0, Math.ceil(share * counted.length) - 1)] ?? 0;
  say({ type: "ended", transactions, overheadP50Ms: at(0.5), overheadP99Ms: at(0.99) });
  await Promise.all([pool.end(), short.end()]);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  process.stderr.write(`application: ${error instanceof Error ? error.message : error}\n`);
  process.exit(error instanceof ConfigError ? 2 : 1);
}
