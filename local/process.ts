import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LocalError } from "./errors.ts";

export type Environment = Readonly<Record<string, string>>;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process in a group of its own: a Ctrl-C in the terminal does not reach it, `stop` does. */
export interface Child {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly running: () => boolean;
  /** SIGTERM, then after `graceMs` SIGKILL to its whole group. */
  stop(graceMs?: number): Promise<void>;
}

const running = new Set<number>();
process.once("exit", () => {
  for (const pid of running) killGroup(pid);
});

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in the group.
  }
}

/**
 * This process's variables without those that lead an AWS client to an account, and then `extra`: what is started here
 * must never reach a real account.
 */
export function childEnvironment(extra: Environment = {}): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(AWS_|CDK_|EVENKEEL_|NODE_OPTIONS$)/.test(entry[0]),
  );
  return { ...Object.fromEntries(inherited), ...extra };
}

/** The user that a process of root's runs as instead. */
export interface UnixUser {
  readonly uid: number;
  readonly gid: number;
}

/** Starts a process whose output is appended to the file `log`. */
export function startProcess(
  command: string,
  args: readonly string[],
  options: {
    readonly environment: Environment;
    readonly directory: string;
    readonly log: string;
    readonly user?: UnixUser | undefined;
  },
): Promise<Child> {
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, "a");
  const child = spawn(command, args, {
    cwd: options.directory,
    env: { ...options.environment },
    detached: true,
    stdio: ["ignore", log, log],
    ...options.user,
  });
  closeSync(log);
  const started = Promise.withResolvers<Child>();
  const exited = Promise.withResolvers<Exit>();
  child.once("error", (cause) =>
    started.reject(new LocalError(`cannot start ${command}: ${cause.message}`, { cause })),
  );
  child.once("spawn", () => {
    const { pid } = child;
    if (pid === undefined) return;
    running.add(pid);
    child.once("exit", (code, signal) => {
      // What it started itself (a cloud's function workers) must not outlive it.
      killGroup(pid);
      running.delete(pid);
      exited.resolve({ code, signal });
    });
    started.resolve({
      pid,
      exited: exited.promise,
      running: () => running.has(pid),
      stop: async (graceMs = 5_000) => {
        if (!running.has(pid)) return;
        child.kill("SIGTERM");
        const grace = setTimeout(() => killGroup(pid), graceMs);
        await exited.promise;
        clearTimeout(grace);
      },
    });
  });
  return started.promise;
}

/** Runs a command to its end and returns what it printed; every line goes to `onLine` as it comes. */
export async function run(
  command: string,
  args: readonly string[],
  options: {
    readonly environment: Environment;
    readonly directory: string;
    readonly onLine?: (line: string) => void;
    readonly signal?: AbortSignal | undefined;
    readonly user?: UnixUser | undefined;
  },
): Promise<{ readonly exit: Exit; readonly output: string }> {
  const child = spawn(command, args, {
    cwd: options.directory,
    env: { ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
    signal: options.signal,
    ...options.user,
  });
  let output = "";
  let rest = "";
  const take = (chunk: Buffer) => {
    output += chunk;
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) options.onLine?.(line);
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const { promise, resolve, reject } = Promise.withResolvers<Exit>();
  child.once("error", (cause) => reject(new LocalError(`cannot run ${command}: ${cause.message}`, { cause })));
  child.once("close", (code, signal) => resolve({ code, signal }));
  return { exit: await promise, output };
}

/** Asks `probe` every 50 ms until it says yes; `gaveUp` may tell early why it never will. */
export async function waitUntil(
  probe: () => Promise<boolean>,
  options: {
    readonly deadlineMs: number;
    readonly what: string;
    readonly gaveUp?: () => string | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const deadline = performance.now() + options.deadlineMs;
  while (!(await probe())) {
    const reason = options.gaveUp?.();
    if (reason !== undefined) throw new LocalError(`${options.what}: ${reason}`);
    if (performance.now() > deadline) {
      throw new LocalError(`${options.what}: not ready after ${options.deadlineMs / 1000} s`);
    }
    await sleep(50, undefined, { signal: options.signal });
  }
}

/** The last lines of a log file, for an error message. */
export function lastLines(file: string, count = 3): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join(" | ").slice(-600);
  } catch {
    return "";
  }
}

/** Whether an HTTP GET answers with success within a second. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
