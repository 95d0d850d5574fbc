import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Cgroup, ownCgroup } from "../../../services/sampler/cgroup.ts";
import { ProcessTree } from "../../../services/sampler/process-tree.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const server = 100;

/** A made-up `/proc`. */
class FakeProc {
  readonly directory: string;
  readonly #children = new Set<number>();
  reapedMs = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  set(
    pid: number,
    { cpuMs, readKiB = 0, privatePages = 10 }: { cpuMs: number; readKiB?: number; privatePages?: number },
  ) {
    if (pid !== server) this.#children.add(pid);
    const home = join(this.directory, String(pid));
    mkdirSync(join(home, "task", String(pid)), { recursive: true });
    writeFileSync(join(home, "schedstat"), `${cpuMs * 1e6} 7 3\n`);
    writeFileSync(
      join(home, "io"),
      `rchar: 9\nread_bytes: ${readKiB * 1024}\nwrite_bytes: 0\ncancelled_write_bytes: 5\n`,
    );
    writeFileSync(join(home, "statm"), `5000 ${privatePages + 300} 300 1 0 1 0\n`);
    this.#stat(pid);
    this.#list();
  }

  end(pid: number, lastCpuMs: number): void {
    this.#children.delete(pid);
    rmSync(join(this.directory, String(pid)), { recursive: true });
    this.reapedMs += lastCpuMs;
    this.#stat(server);
    this.#list();
  }

  #stat(pid: number): void {
    const reaped = pid === server ? this.reapedMs / 10 : 0;
    const fields = `S 1 1 1 0 -1 0 1 2 3 4 5 6 ${reaped} 0 20 0`;
    writeFileSync(join(this.directory, String(pid), "stat"), `${pid} (postgres: a (b) c) ${fields}\n`);
  }

  #list(): void {
    writeFileSync(
      join(this.directory, String(server), "task", String(server), "children"),
      [...this.#children].join(" "),
    );
  }
}

describe("a process tree", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let proc: FakeProc;
  let tree: ProcessTree;
  afterEach(() => directory[Symbol.dispose]());
  beforeEach(() => {
    directory = temporaryDirectory();
    proc = new FakeProc(directory.path);
    proc.set(server, { cpuMs: 1_000 });
    proc.set(101, { cpuMs: 5_000, readKiB: 64 });
    tree = new ProcessTree({ pid: server, proc: proc.directory });
  });

  it("counts what is used from the start of measuring on", () => {
    expect(tree.read()).toEqual({ cpuMs: 0, ioKiB: 64, memoryMiB: (20 * 4096) / 2 ** 20 });
    proc.set(101, { cpuMs: 5_030.5, readKiB: 72, privatePages: 522 });
    expect(tree.read()).toEqual({ cpuMs: 30.5, ioKiB: 72, memoryMiB: (532 * 4096) / 2 ** 20 });
  });

  it("counts all that a new process used", () => {
    proc.set(102, { cpuMs: 12 });
    expect(tree.read()?.cpuMs).toBe(12);
  });

  it("counts what a process used between the last look and its end, and one that was never seen", () => {
    proc.set(101, { cpuMs: 5_040 });
    expect(tree.read()?.cpuMs).toBe(40);
    proc.end(101, 5_070);
    expect(tree.read()?.cpuMs).toBe(70);
    proc.set(102, { cpuMs: 1 });
    proc.end(102, 20);
    expect(tree.read()?.cpuMs).toBe(90);
  });

  it("would lose that without the parent's account of ended children", () => {
    proc.set(101, { cpuMs: 5_040 });
    tree.read();
    proc.end(101, 0);
    expect(tree.read()?.cpuMs).toBe(40);
  });

  it("takes a number that is given out again for a new process", () => {
    proc.set(101, { cpuMs: 5_040 });
    tree.read();
    proc.set(101, { cpuMs: 3 });
    expect(tree.read()?.cpuMs).toBe(43);
  });

  it("says when the server is gone", () => {
    rmSync(join(proc.directory, String(server)), { recursive: true });
    expect(tree.read()).toBeUndefined();
    expect(() => new ProcessTree({ pid: server, proc: proc.directory })).toThrow("there is no process 100");
  });

  it("takes the database's own count of IO where the kernel's may not be read", () => {
    rmSync(join(proc.directory, String(server), "io"));
    const counted = new ProcessTree({ pid: server, proc: proc.directory, countedIoKiB: () => 77 });
    expect(counted.read()?.ioKiB).toBe(77);
    expect(counted.description).toContain("pg_stat_io");
    expect(new ProcessTree({ pid: server, proc: proc.directory }).description).toContain("no io: not permitted");
  });

  it("goes on in hundredths of a second on a kernel without schedstat, and says so", () => {
    rmSync(join(proc.directory, String(server), "schedstat"));
    expect(new ProcessTree({ pid: server, proc: proc.directory }).description).toContain("hundredths");
  });
});

describe("a control group", () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let group: string;
  afterEach(() => directory[Symbol.dispose]());
  beforeEach(() => {
    directory = temporaryDirectory();
    const root = directory.path;
    group = join(root, "cgroup", "database");
    mkdirSync(group, { recursive: true });
    mkdirSync(join(root, "proc", "100"), { recursive: true });
    writeFileSync(join(root, "proc", "100", "cgroup"), "1:name=systemd:/\n0::/database\n");
    writeFileSync(join(group, "cgroup.procs"), "100\n101\n");
    writeFileSync(join(group, "cpu.stat"), "usage_usec 1500\nuser_usec 1000\n");
    writeFileSync(join(group, "io.stat"), "8:0 rbytes=2048 wbytes=1024 rios=1\n8:16 rbytes=1024 wbytes=0 rios=1\n");
    writeFileSync(join(group, "memory.stat"), "anon 2097152\nfile 99\n");
  });
  const places = () => ({ proc: join(group, "..", "..", "proc"), roots: [join(group, "..")] });

  it("tells its usage", () => {
    expect(new Cgroup(group).read()).toEqual({ cpuMs: 1.5, ioKiB: 4, memoryMiB: 2 });
  });

  it("is refused where it has no usage, and noticed when it goes", () => {
    const measured = new Cgroup(group);
    rmSync(join(group, "cpu.stat"));
    expect(measured.read()).toBeUndefined();
    expect(() => new Cgroup(group)).toThrow("no control group");
  });

  it("is the server's own when nobody else is in it", () => {
    expect(ownCgroup(100, new Set([100, 101]), places())).toBe(group);
    expect(ownCgroup(100, new Set([100]), places())).toBeUndefined();
  });
});
