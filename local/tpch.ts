/** Data of the TPC-H kind in a PostgreSQL on this machine: made once by `tpchgen-cli`, loaded with COPY, indexed, analysed. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { z } from "zod";
import { LocalError } from "./errors.ts";
import { root } from "./paths.ts";
import type { Postgres } from "./postgres.ts";
import { childEnvironment, run } from "./process.ts";
import { ensurePython } from "./python.ts";

export const scaleFactor = 0.1;

/** The columns as the generator's CSV has them. */
const tables: Readonly<Record<string, string>> = {
  region: "r_regionkey int PRIMARY KEY, r_name text, r_comment text",
  nation: "n_nationkey int PRIMARY KEY, n_name text, n_regionkey int, n_comment text",
  supplier:
    "s_suppkey int PRIMARY KEY, s_name text, s_address text, s_nationkey int, s_phone text, s_acctbal numeric(15,2), s_comment text",
  customer:
    "c_custkey int PRIMARY KEY, c_name text, c_address text, c_nationkey int, c_phone text, c_acctbal numeric(15,2), c_mktsegment text, c_comment text",
  part: "p_partkey int PRIMARY KEY, p_name text, p_mfgr text, p_brand text, p_type text, p_size int, p_container text, p_retailprice numeric(15,2), p_comment text",
  partsupp:
    "ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost numeric(15,2), ps_comment text, PRIMARY KEY (ps_partkey, ps_suppkey)",
  orders:
    "o_orderkey bigint PRIMARY KEY, o_custkey int, o_orderstatus text, o_totalprice numeric(15,2), o_orderdate date, o_orderpriority text, o_clerk text, o_shippriority int, o_comment text",
  lineitem:
    "l_orderkey bigint, l_partkey int, l_suppkey int, l_linenumber int, l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text, PRIMARY KEY (l_orderkey, l_linenumber)",
};

const indexes = [
  "CREATE INDEX ON orders (o_custkey)",
  "CREATE INDEX ON orders (o_orderdate)",
  "CREATE INDEX ON lineitem (l_shipdate)",
  "CREATE INDEX ON lineitem (l_partkey)",
  "CREATE INDEX ON customer (c_nationkey)",
];

/**
 * The address of database `tpch`, which is made and loaded first unless it is there whole: some 2 s to generate, some 3 s to load.
 * @throws LocalError
 */
export async function ensureTpch(
  postgres: Postgres,
  { say = () => {}, signal }: { say?: (detail: string) => void; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const database = "tpch";
  const admin = new Client({ connectionString: postgres.url() });
  await admin.connect();
  try {
    const { rows } = await admin.query("SELECT 1 FROM pg_database WHERE datname = $1", [database]);
    if (rows.length === 0) {
      say("generating");
      const files = join(postgres.home, "tpch");
      await generate(files, signal);
      await admin.query("DROP DATABASE IF EXISTS tpch_draft WITH (FORCE)");
      await admin.query("CREATE DATABASE tpch_draft");
      await load(postgres.url("tpch_draft"), files, say);
      // Renamed when whole: a load that was cut off is made anew.
      await admin.query(`ALTER DATABASE tpch_draft RENAME TO ${database}`);
      rmSync(files, { recursive: true, force: true });
    }
  } finally {
    await admin.end();
  }
  return postgres.url(database);
}

const published = z.object({ number: z.int(), sql: z.string() });
type PublishedQuery = z.infer<typeof published>;

/**
 * The 22 queries of TPC-H with their validation parameters, as the package of DuckDB's TPC-H extension has them.
 * @throws LocalError
 */
async function readTpchQueries(signal?: AbortSignal): Promise<PublishedQuery[]> {
  const python = await ensurePython(signal, "tpch");
  const { exit, output } = await run(python, [join(root, "local", "tpch-queries.py")], {
    environment: childEnvironment(),
    directory: root,
    signal,
  });
  const lines = output.trimEnd().split("\n");
  if (exit.code !== 0) throw new LocalError(`the queries of TPC-H cannot be read: ${lines.at(-1)}`);
  return lines.map((line) => published.parse(JSON.parse(line)));
}

/**
 * Writes them into `directory` for the application of `demo/postgres`, as JSON.
 * @returns the file
 * @throws LocalError
 */
export async function writeTpchQueries(directory: string, signal?: AbortSignal): Promise<string> {
  const file = join(directory, "tpch-queries.json");
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, JSON.stringify(await readTpchQueries(signal)));
  return file;
}

async function generate(files: string, signal: AbortSignal | undefined): Promise<void> {
  const program = join(await ensurePython(signal), "..", "tpchgen-cli");
  rmSync(files, { recursive: true, force: true });
  mkdirSync(files);
  const { exit, output } = await run(
    program,
    ["csv", "--scale-factor", String(scaleFactor), "--output-dir", files, "--overwrite"],
    { environment: childEnvironment(), directory: files, signal },
  );
  if (exit.code !== 0) throw new LocalError(`tpchgen-cli failed: ${output.trim().split("\n").at(-1)}`);
}

async function load(connectionString: string, files: string, say: (detail: string) => void): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
    for (const [table, columns] of Object.entries(tables)) {
      say(`loading ${table}`);
      await client.query(`CREATE TABLE ${table} (${columns})`);
      const file = join(files, `${table}.csv`).replaceAll("'", "''");
      await client.query(`COPY ${table} FROM '${file}' (FORMAT csv, HEADER)`);
    }
    say("indexing");
    for (const index of indexes) await client.query(index);
    await client.query("VACUUM (ANALYZE)");
    await client.query("CHECKPOINT");
  } finally {
    await client.end();
  }
}
