import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { createGate } from "../../../gate/src/gate.ts";
import { gatePool } from "../../../gate/src/pg.ts";
import { type Postgres, startPostgres, superuser } from "../../../local/postgres.ts";
import { createLog } from "../../../platform/log.ts";
import { createIdentities } from "../../../services/gatekeeper/identity.ts";
import { SampledDatabase } from "../../../services/sampler/database.ts";
import { findSource } from "../../../services/sampler/find-source.ts";
import { ProcessTree } from "../../../services/sampler/process-tree.ts";
import { creditedSince, join as joinStatements } from "../../../services/sampler/statements.ts";
import { Told } from "../../../services/sampler/told.ts";
import type { UsageSource } from "../../../services/sampler/usage.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

/** Around half a second of one core. */
const burn = "SELECT sum(sqrt(one)) FROM generate_series(1, 3000000) AS one";

/** What a session has used by the kernel's own account of it, in ms; hundredths of a second. */
function accountOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

describe("the sampler beside a real PostgreSQL", () => {
  const directory = temporaryDirectory();
  let postgres: Postgres;
  const lines: string[] = [];
  const log = createLog("sampler", (line) => lines.push(JSON.parse(line).message));
  const told = new Told(log);

  beforeAll(async () => {
    postgres = await startPostgres({ directory: directory.path });
  }, 60_000);
  afterAll(async () => {
    await postgres?.stop();
    directory[Symbol.dispose]();
  });

  const session = async (url = postgres.url()) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    return { client, pid: rows[0]?.pid ?? 0 };
  };

  /** What is measured and what the sessions used by their own accounts, while each of them works and goes. */
  async function measureBurns(source: UsageSource): Promise<{ measured: number; real: number }> {
    const before = source.read()?.cpuMs ?? 0;
    const burnOnce = async () => {
      const { client, pid } = await session();
      await client.query(burn);
      const used = accountOf(pid);
      await client.end();
      return used;
    };
    const real = Promise.all([burnOnce(), burnOnce()]);
    let over = false;
    void real.finally(() => {
      over = true;
    });
    while (!over) {
      source.read();
      await sleep(50);
    }
    const sum = (await real).reduce((one, other) => one + other, 0);
    await sleep(100);
    return { measured: (source.read()?.cpuMs ?? 0) - before, real: sum };
  }
  const find = (database: SampledDatabase) => findSource({ database, pageBytes: 4096 });

  it("measures what sessions use that come and go within a few percent", async () => {
    const database = new SampledDatabase(postgres.url(), told);
    const source = await find(database);
    expect(source.description).toContain(`process ${postgres.pid} and its children`);
    const { measured, real } = await measureBurns(source);
    // The server's own background processes are in it as well.
    expect(measured / real).toBeGreaterThan(0.97);
    expect(measured / real).toBeLessThan(1.05);
    await database.close();
  }, 60_000);

  it("would not if it measured the first process alone", async () => {
    const { pid } = postgres;
    const proc = join(directory.path, "proc");
    const home = join(proc, String(pid));
    mkdirSync(join(home, "task", String(pid)), { recursive: true });
    writeFileSync(join(home, "task", String(pid), "children"), "");
    writeFileSync(join(home, "stat"), readFileSync(`/proc/${pid}/stat`));
    for (const name of ["schedstat", "statm", "io"]) symlinkSync(`/proc/${pid}/${name}`, join(home, name));
    const { measured, real } = await measureBurns(new ProcessTree({ pid, proc }));
    expect(measured / real).toBeLessThan(0.5);
  }, 60_000);

  it("counts what is read and written, by the kernel's account and the database's own", async () => {
    const database = new SampledDatabase(postgres.url(), told);
    await database.refreshIo();
    expect(lines).toEqual(lines.filter((line) => !line.includes("does not answer")));
    const source = await find(database);
    const before = source.read()?.ioKiB ?? 0;
    const countedBefore = database.ioKiB;
    const { client } = await session();
    await client.query("CREATE TABLE written AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 8000)");
    await client.query("CHECKPOINT");
    await client.end();
    await database.refreshIo();
    expect((source.read()?.ioKiB ?? 0) - before).toBeGreaterThan(8_000);
    expect(database.ioKiB - countedBefore).toBeGreaterThan(8_000);
    await database.close();
  });

  it("says what a role lacks, and goes on", async () => {
    const { client } = await session();
    await client.query("CREATE EXTENSION pg_stat_statements");
    await client.query("CREATE ROLE poor LOGIN PASSWORD 'poor'");
    await client.end();
    const url = new URL(postgres.url());
    url.username = "poor";
    url.password = "poor";
    const database = new SampledDatabase(url.href, told);
    await database.statements();
    expect(lines).toContain(
      "the sampler's role may not read the statistics of other roles' statements: GRANT pg_read_all_stats TO it",
    );
    expect((await find(database)).read()?.cpuMs).toBeGreaterThanOrEqual(0);
    await database.close();
    const full = new SampledDatabase(postgres.url(), told);
    expect((await full.statements()).some(({ calls }) => calls >= 1)).toBe(true);
    await full.close();
  });

  it("joins what pg_stat_statements credited to the queries that the gatekeeper knows", async () => {
    const full = new SampledDatabase(postgres.url(), told);
    const before = await full.statements();
    const { client } = await session();
    const asked = [
      "SELECT count(*) FROM pg_class WHERE relpages > 3 AND relname IN ('a', 'b')",
      "SELECT relname FROM pg_class LIMIT 5",
    ];
    for (const sql of asked) for (let times = 0; times < 3; times++) await client.query(sql);
    await client.query("SELECT count(*) FROM pg_class WHERE relpages > 70 AND relname IN ('c', 'd', 'e')");
    await client.end();
    const identities = await createIdentities();
    const name = (database: string, role: string, sql: string) =>
      identities.identify(database, role, { sql, length: sql.length }).queryId;
    const credited = creditedSince(before, await full.statements());
    const joined = await joinStatements(
      credited,
      async (database, role, texts) => texts.map((sql) => name(database, role, sql)),
      log,
    );
    const calls = (sql: string, role = superuser) =>
      joined.filter(({ query }) => query === name("postgres", role, sql)).reduce((sum, one) => sum + one.calls, 0);
    expect(asked.map((sql) => calls(sql))).toEqual([4, 3]);
    // Another role's executions of the same statement are another query.
    expect(calls(asked[0] ?? "", "poor")).toBe(0);
    const away = await joinStatements(credited, () => Promise.reject(new Error("away")), log);
    expect(away.map(({ query, calls }) => [query, calls > 0])).toEqual(credited.map(() => [null, true]));
    expect(lines.at(-1)).toBe("pg_stat_statements could not be joined to the queries known");
    await full.close();
  });

  it("finds the database again after a restart, which a gated pool passes on as it is", async () => {
    const database = new SampledDatabase(postgres.url(), told);
    const gate = createGate({ url: "http://127.0.0.1:9", database: "d", role: "r", mode: "enforce", onWarning() {} });
    const bare = new pg.Pool({ connectionString: postgres.url() });
    // Idle connections end with the database.
    bare.on("error", () => {});
    const pool = gatePool(bare, gate, { deferBy: 1_000 });
    expect((await pool.query("SELECT 7 AS one")).rows).toEqual([{ one: 7 }]);
    const source = await find(database);
    const { port } = postgres;
    await postgres.stop();
    expect(source.read()).toBeUndefined();
    const [gated, own] = await Promise.allSettled([pool.query("SELECT 7 AS one"), bare.query("SELECT 7 AS one")]);
    const code = (one: PromiseSettledResult<unknown>) => one.status === "rejected" && Object(one.reason).code;
    expect([code(gated), code(own)]).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
    await expect(find(database)).rejects.toThrow("the database is away");
    expect(lines.at(-1)).toContain("the database does not answer the sampler");
    postgres = await startPostgres({ directory: directory.path, port });
    expect((await pool.query("SELECT 7 AS one")).rows).toEqual([{ one: 7 }]);
    await Promise.all([bare.end(), gate.close()]);
    expect((await find(database)).description).toContain(`process ${postgres.pid} `);
    expect(lines.at(-1)).toBe("the database answers again");
    await database.close();
  }, 60_000);
});
