/** What the sampler asks the database itself: which process serves it, its own count of IO, and its statements' statistics. */
import pg from "pg";
import { describeError } from "../../platform/log.ts";
import type { Told } from "./told.ts";

export interface StatementStatistics {
  /** PostgreSQL's own number for the statement, as text: it has 64 bits. */
  readonly queryId: string;
  /** Whose executions these are. */
  readonly database: string;
  readonly role: string;
  /** Without constants, as PostgreSQL keeps it; cut after `longestText` characters. */
  readonly text: string;
  readonly calls: number;
  readonly totalExecMs: number;
}

const queryTimeoutMs = 2_000;
/** The gatekeeper tells longer ones apart by a hash. */
const longestText = 32_768;

/** By major version: KiB read and written, all backends together. Counted when a statement or a second ends. */
const ioQuery = (major: number) =>
  major >= 18
    ? "SELECT (coalesce(sum(read_bytes), 0) + coalesce(sum(write_bytes), 0) + coalesce(sum(extend_bytes), 0)) / 1024 AS kib FROM pg_stat_io"
    : "SELECT coalesce(sum((coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0)) * op_bytes), 0) / 1024 AS kib FROM pg_stat_io";

/** A session of the sampler's own, opened again after the database was away. No call throws: what fails is told. */
export class SampledDatabase {
  readonly #url: string;
  readonly #told: Told;
  #client: pg.Client | undefined;
  #major = 0;
  #ioKiB = 0;
  #statements = true;

  constructor(url: string, told: Told) {
    this.#url = url;
    this.#told = told;
  }

  /** The last count of `refreshIo`. */
  get ioKiB(): number {
    return this.#ioKiB;
  }

  /** The process id of this session on the database's machine; undefined while the database is away. */
  async sessionPid(): Promise<number | undefined> {
    const [row] = await this.#query("SELECT pg_backend_pid() AS pid");
    return row === undefined ? undefined : Number(row.pid);
  }

  async refreshIo(): Promise<void> {
    if (this.#major !== 0 && this.#major < 16) {
      this.#told.trouble(
        "pg_stat_io",
        "this PostgreSQL has no pg_stat_io (version 16 and later do): IO is not measured",
      );
      return;
    }
    const [row] = await this.#query(ioQuery);
    if (row) this.#ioKiB = Number(row.kib);
  }

  /** Totals since the statistics were reset; empty where there are none to be had. */
  async statements(): Promise<StatementStatistics[]> {
    if (!this.#statements) return [];
    const rows = await this.#query(
      `SELECT queryid::text AS id, current_database() AS database, coalesce(rolname, userid::text) AS role,
              left(min(query), ${longestText}) AS text, sum(calls) AS calls, sum(total_exec_time) AS ms
         FROM pg_stat_statements LEFT JOIN pg_roles ON pg_roles.oid = userid
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        GROUP BY queryid, rolname, userid ORDER BY ms DESC LIMIT 1000`,
      "statements",
    );
    if (rows.some(({ id }) => id === null)) {
      this.#told.trouble(
        "rights",
        "the sampler's role may not read the statistics of other roles' statements: GRANT pg_read_all_stats TO it",
      );
    }
    return rows
      .filter(({ id }) => id !== null)
      .map(({ id, database, role, text, calls, ms }) => ({
        queryId: String(id),
        ...{ database: String(database), role: String(role), text: String(text) },
        ...{ calls: Number(calls), totalExecMs: Number(ms) },
      }));
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  async #query(sql: string | ((major: number) => string), about = "database"): Promise<Record<string, unknown>[]> {
    try {
      const client = await this.#connected();
      const { rows } = await client.query<Record<string, unknown>>(typeof sql === "string" ? sql : sql(this.#major));
      this.#told.fine(about, about === "database" ? "the database answers again" : "the statistics can be read again");
      return rows;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (about === "statements" && (code === "42P01" || code === "55000" || code === "42501")) {
        // Without it everything else goes on; asking every minute would fill the database's log.
        this.#statements = false;
        this.#told.trouble(
          about,
          `pg_stat_statements cannot be read (${describeError(error)}): measuring goes on without it`,
        );
        return [];
      }
      this.#told.trouble("database", `the database does not answer the sampler (${describeError(error)})`);
      await this.close();
      return [];
    }
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: "evenkeel-sampler",
      connectionTimeoutMillis: queryTimeoutMs,
      query_timeout: queryTimeoutMs,
      keepAlive: true,
    });
    // A session that the server ends says so here; the next question connects anew.
    client.on("error", () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    const { rows } = await client.query<{ version: string }>("SELECT current_setting('server_version_num') AS version");
    this.#major = Math.floor(Number(rows[0]?.version ?? 0) / 10_000);
    this.#client = client;
    return client;
  }
}
