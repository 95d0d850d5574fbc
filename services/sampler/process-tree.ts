import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Usage, UsageSource } from "./usage.ts";

/** `USER_HZ`: what `/proc/<pid>/stat` counts in, on every Linux. */
const nsPerClockTick = 1e7;

interface Seen {
  /** Processor time when measuring began: none for a process that started later. */
  readonly baseNs: number;
  ns: number;
}

export interface ProcessTreeOptions {
  readonly pid: number;
  /** `/proc`, unless a test makes its own. */
  readonly proc?: string;
  readonly pageBytes?: number;
  /** KiB read and written as the database counts them, for when `/proc/<pid>/io` may not be read. */
  readonly countedIoKiB?: () => number;
}

/**
 * Usage of a process and its children, from `/proc`: PostgreSQL's first process and one process a session.
 *
 * `schedstat` tells nanoseconds on a processor, brought up to date at every scheduler tick while a process runs; `stat`
 * tells only hundredths of a second. What a vanished process used after it was last looked at stands in its parent's
 * account of ended children: in `stat` for processor time (hundredths, so it is credited in lumps that do not add up
 * to an error), in the parent's own `io` for bytes.
 */
export class ProcessTree implements UsageSource {
  readonly description: string;
  readonly #options: ProcessTreeOptions;
  readonly #proc: string;
  readonly #fine: boolean;
  readonly #ioPermitted: boolean;
  readonly #seen = new Map<number, Seen>();
  readonly #reapedBaseNs: number;
  /** Of vanished processes: their whole life as it was last seen, and the part of it that was measured. */
  #goneWholeNs = 0;
  #goneNs = 0;
  #lateNs = 0;
  #ioKiB = 0;
  #first = true;

  /** @throws Error when there is no such process */
  constructor(options: ProcessTreeOptions) {
    this.#options = options;
    this.#proc = options.proc ?? "/proc";
    const { pid } = options;
    const stat = this.#stat(pid);
    if (!stat) throw new Error(`there is no process ${pid}`);
    this.#reapedBaseNs = stat.reapedNs;
    this.#fine = this.#text(pid, "schedstat") !== undefined;
    this.#ioPermitted = this.#text(pid, "io") !== undefined;
    const clock = this.#fine ? "schedstat" : "stat (hundredths of a second: this kernel has no schedstat)";
    const io = this.#ioPermitted ? "io" : options.countedIoKiB ? "pg_stat_io" : "no io: not permitted";
    this.description = `process ${pid} and its children by /proc: ${clock}, ${io}, statm`;
    this.read();
  }

  read(): Usage | undefined {
    const { pid, pageBytes = 4096, countedIoKiB } = this.#options;
    const stat = this.#stat(pid);
    if (!stat || stat.ended) return undefined;
    const alive = new Set([pid, ...this.#children(pid)]);
    let pages = 0;
    let ioBytes = 0;
    for (const one of alive) {
      const ns = this.#cpuNs(one);
      if (ns === undefined) {
        alive.delete(one);
        continue;
      }
      const known = this.#seen.get(one);
      if (known && ns >= known.ns) known.ns = ns;
      else {
        // A number that was given to another process.
        if (known) this.#bury(known);
        this.#seen.set(one, { baseNs: this.#first ? ns : 0, ns });
      }
      pages += this.#ownPages(one);
      if (this.#ioPermitted) ioBytes += this.#storageBytes(one);
    }
    for (const [one, known] of this.#seen) {
      if (alive.has(one)) continue;
      this.#bury(known);
      this.#seen.delete(one);
    }
    this.#first = false;
    // Read before the children were: it lacks at most who ended meanwhile, and tells of them next time.
    this.#lateNs = Math.max(this.#lateNs, stat.reapedNs - this.#reapedBaseNs - this.#goneWholeNs);
    this.#ioKiB = Math.max(this.#ioKiB, this.#ioPermitted ? ioBytes / 1024 : (countedIoKiB?.() ?? 0));
    let cpuNs = this.#goneNs + this.#lateNs;
    for (const { ns, baseNs } of this.#seen.values()) cpuNs += ns - baseNs;
    return { cpuMs: cpuNs / 1e6, ioKiB: this.#ioKiB, memoryMiB: (pages * pageBytes) / 2 ** 20 };
  }

  #bury({ ns, baseNs }: Seen): void {
    this.#goneWholeNs += ns;
    this.#goneNs += ns - baseNs;
  }

  #children(pid: number): number[] {
    return (this.#text(pid, `task/${pid}/children`) ?? "").split(" ").filter(Boolean).map(Number);
  }

  #cpuNs(pid: number): number | undefined {
    if (!this.#fine) return this.#stat(pid)?.ownNs;
    const text = this.#text(pid, "schedstat");
    return text === undefined ? undefined : Number(text.split(" ", 1)[0]);
  }

  #ownPages(pid: number): number {
    const [, resident = 0, shared = 0] = (this.#text(pid, "statm") ?? "").split(" ").map(Number);
    return resident - shared;
  }

  #storageBytes(pid: number): number {
    const text = this.#text(pid, "io") ?? "";
    const count = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    return count("read_bytes") + count("write_bytes");
  }

  #stat(pid: number): { ended: boolean; ownNs: number; reapedNs: number } | undefined {
    const text = this.#text(pid, "stat");
    if (text === undefined) return undefined;
    // A command's name in parentheses may hold anything; the state is what comes after it.
    const [state = "", ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const at = (index: number) => Number(fields[index - 4] ?? 0) * nsPerClockTick;
    return { ended: state === "Z" || state === "X", ownNs: at(14) + at(15), reapedNs: at(16) + at(17) };
  }

  #text(pid: number, name: string): string | undefined {
    try {
      return readFileSync(join(this.#proc, String(pid), name), "utf8");
    } catch {
      return undefined;
    }
  }
}
