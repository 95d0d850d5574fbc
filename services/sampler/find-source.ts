import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Cgroup, ownCgroup } from "./cgroup.ts";
import type { SampledDatabase } from "./database.ts";
import { ProcessTree } from "./process-tree.ts";
import type { UsageSource } from "./usage.ts";

export interface Whereabouts {
  /** A control group named by hand. */
  readonly cgroup?: string | undefined;
  /** The data directory: its `postmaster.pid` names the first process. */
  readonly dataDirectory?: string | undefined;
  /** Its session's parent process is the first process. */
  readonly database?: SampledDatabase | undefined;
  readonly pageBytes: number;
  readonly proc?: string;
}

/**
 * The best source there is just now.
 * @throws Error with one line for a person while there is none
 */
export async function findSource(where: Whereabouts): Promise<UsageSource> {
  if (where.cgroup !== undefined) return new Cgroup(where.cgroup);
  const pid = await firstProcess(where);
  const { proc = "/proc" } = where;
  const children = new Set([pid, ...childrenOf(proc, pid)]);
  const own = ownCgroup(pid, children, { proc });
  if (own !== undefined) return new Cgroup(own);
  const { database } = where;
  return new ProcessTree({
    pid,
    proc,
    pageBytes: where.pageBytes,
    ...(database && { countedIoKiB: () => database.ioKiB }),
  });
}

async function firstProcess({ dataDirectory, database, proc = "/proc" }: Whereabouts): Promise<number> {
  if (dataDirectory !== undefined) {
    const file = join(dataDirectory, "postmaster.pid");
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (cause) {
      const denied = cause instanceof Error && "code" in cause && cause.code === "EACCES";
      const why = denied
        ? `${file} may not be read: run the sampler as the database's user`
        : "the database is not running";
      throw new Error(why, { cause });
    }
    return Number(text.split("\n", 1)[0]);
  }
  const session = await database?.sessionPid();
  if (session === undefined) throw new Error("the database is away");
  const stat = readOrUndefined(join(proc, String(session), "stat"));
  const parent = stat && Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  if (!parent || !/\(postgres(:.*)?\)/.test(stat)) {
    throw new Error(
      "the database's processes are not among this machine's (a container, another machine, a service): run the sampler beside them, or name EVENKEEL_CGROUP",
    );
  }
  return parent;
}

function childrenOf(proc: string, pid: number): number[] {
  const text = readOrUndefined(join(proc, String(pid), "task", String(pid), "children")) ?? "";
  return text.split(" ").filter(Boolean).map(Number);
}

function readOrUndefined(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
