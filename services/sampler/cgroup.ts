import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Usage, UsageSource } from "./usage.ts";

/** Usage of a control group, version 2: exact whatever comes and goes in it. */
export class Cgroup implements UsageSource {
  readonly description: string;
  readonly #directory: string;

  /** @throws Error when `directory` is no group with a `cpu.stat` */
  constructor(directory: string) {
    this.#directory = directory;
    if (this.read() === undefined) throw new Error(`${directory} is no control group of version 2 with a cpu.stat`);
    const io = this.#text("io.stat") === undefined ? "no io: its controller is off" : "io.stat";
    this.description = `control group ${directory}: cpu.stat, ${io}, memory.stat`;
  }

  read(): Usage | undefined {
    const usec = field(this.#text("cpu.stat") ?? "", /^usage_usec (\d+)$/m);
    if (usec === undefined) return undefined;
    let ioBytes = 0;
    for (const [, bytes] of (this.#text("io.stat") ?? "").matchAll(/\b[rw]bytes=(\d+)/g)) ioBytes += Number(bytes);
    // `memory.current` counts page cache and shared buffers, too: it grows until it meets its limit.
    const memory = field(this.#text("memory.stat") ?? "", /^anon (\d+)$/m) ?? Number(this.#text("memory.current") ?? 0);
    return { cpuMs: usec / 1_000, ioKiB: ioBytes / 1024, memoryMiB: memory / 2 ** 20 };
  }

  #text(name: string): string | undefined {
    try {
      return readFileSync(join(this.#directory, name), "utf8");
    } catch {
      return undefined;
    }
  }
}

function field(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/**
 * The version 2 group that a server's processes have to themselves; undefined when there is none: another program's
 * usage would count as the database's.
 * @param family process ids of the server
 */
export function ownCgroup(
  pid: number,
  family: ReadonlySet<number>,
  { proc = "/proc", roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] } = {},
): string | undefined {
  try {
    const path = /^0::(\/.+)$/m.exec(readFileSync(join(proc, String(pid), "cgroup"), "utf8"))?.[1];
    if (path === undefined) return undefined;
    const directory = roots
      .map((root) => join(root, path))
      .find((candidate) => existsSync(join(candidate, "cpu.stat")));
    if (directory === undefined) return undefined;
    const members = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
    return members.length > 0 && members.every((member) => family.has(member)) ? directory : undefined;
  } catch {
    return undefined;
  }
}
