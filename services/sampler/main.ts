/** Measures a PostgreSQL beside it and tells the gatekeeper. Settings: environment variables, see `settings`. */
import { execFileSync } from "node:child_process";
import { z } from "zod";
import { systemClock as clock } from "../../platform/clock.ts";
import { ConfigError, parseEnvironment, token, wholeNumber } from "../../platform/config.ts";
import { createLog } from "../../platform/log.ts";
import { raisePriority } from "../../platform/priority.ts";
import { reachOf, reachVariables } from "../../platform/server-address.ts";
import { createTransport } from "../../platform/server-transport.ts";
import { runService } from "../../platform/service.ts";
import { SampledDatabase } from "./database.ts";
import { findSource } from "./find-source.ts";
import { Sampler, SamplesRefused } from "./sampler.ts";
import { type Identify, watchStatements } from "./statements.ts";
import { Told } from "./told.ts";

const settings = z.object({
  EVENKEEL_GATEKEEPER_URL: z.string(),
  ...reachVariables,
  EVENKEEL_TOKEN: token,
  /** Where the database's processes are found; one of the three. A control group wins over a data directory, and that over the address. */
  EVENKEEL_CGROUP: z.string().optional(),
  EVENKEEL_PGDATA: z.string().optional(),
  /** Also for `pg_stat_io` and `pg_stat_statements`; the role needs `pg_read_all_stats`. */
  EVENKEEL_DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "an address like postgres://role:password@host:5432/database is expected")
    .optional(),
  EVENKEEL_SAMPLE_MS: wholeNumber.default(50).refine((ms) => ms >= 10 && ms <= 1_000, "10 to 1000 ms are expected"),
});

const identified = z.object({ ids: z.array(z.string()) });
const log = createLog("sampler");

async function main({ signal }: AbortController): Promise<void> {
  raisePriority();
  const env = parseEnvironment(settings, process.env);
  if (!env.EVENKEEL_CGROUP && !env.EVENKEEL_PGDATA && !env.EVENKEEL_DATABASE_URL) {
    throw new ConfigError("environment: set EVENKEEL_DATABASE_URL, EVENKEEL_PGDATA or EVENKEEL_CGROUP");
  }

  const told = new Told(log);
  const database = env.EVENKEEL_DATABASE_URL ? new SampledDatabase(env.EVENKEEL_DATABASE_URL, told) : undefined;
  const transport = createTransport({
    url: env.EVENKEEL_GATEKEEPER_URL,
    token: env.EVENKEEL_TOKEN,
    reach: reachOf(env),
    requestTimeoutMs: 2_000,
  });
  const sampler = new Sampler({
    sampleMs: env.EVENKEEL_SAMPLE_MS,
    find: () =>
      findSource({
        cgroup: env.EVENKEEL_CGROUP,
        dataDirectory: env.EVENKEEL_PGDATA,
        database,
        pageBytes: pageBytes(),
      }),
    post: async (samples) => {
      const { status, text } = await transport.exchange("POST", "/usage", JSON.stringify({ samples }));
      const message = `POST /usage answered ${status}: ${text.slice(0, 200)}`;
      if (status === 400 || status === 413) throw new SamplesRefused(message);
      if (status < 200 || status > 299) throw new Error(message);
    },
    clock,
    told,
  });
  const identify: Identify = async (database, role, texts) => {
    const statements = texts.map((sql) => ({ sql, length: sql.length }));
    const { status, text } = await transport.exchange(
      "POST",
      "/identify",
      JSON.stringify({ database, role, statements }),
    );
    if (status !== 200) throw new Error(`POST /identify answered ${status}: ${text.slice(0, 200)}`);
    return identified.parse(JSON.parse(text)).ids;
  };
  log.info("started", { gatekeeper: transport.base, sampleMs: env.EVENKEEL_SAMPLE_MS });
  const asking = database ? [watchStatements({ database, identify, clock, log, signal })] : [];
  await Promise.all([sampler.run(signal), ...asking]);
  await database?.close();
  log.info("stopped");
}

function pageBytes(): number {
  try {
    return Number(execFileSync("getconf", ["PAGESIZE"], { encoding: "utf8" })) || 4096;
  } catch {
    return 4096;
  }
}

await runService(log, main);
