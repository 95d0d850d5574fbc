/** Processes by id and start time: an id alone may by now belong to somebody else. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

export const processIdentity = z.strictObject({ pid: z.int().min(2), started: z.string().min(1) });
export type ProcessIdentity = z.infer<typeof processIdentity>;

/** When the process was started, as an opaque text; undefined when it does not run. */
function startOf(pid: number): string | undefined {
  try {
    // The command, in brackets, may hold blanks; the start time is the 20th field after it (proc_pid_stat(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    if (process.platform === "linux") return undefined;
    return spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim() || undefined;
  }
}

export function identify(pid: number): ProcessIdentity | undefined {
  const started = startOf(pid);
  return started === undefined ? undefined : { pid, started };
}

export function isRunning({ pid, started }: ProcessIdentity): boolean {
  return startOf(pid) === started;
}

/** Ends a process that is not a child of this one: SIGTERM, then after `graceMs` SIGKILL to its group. True when it ran. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<boolean> {
  if (!isRunning(identity)) return false;
  signal(identity.pid, "SIGTERM");
  const deadline = performance.now() + graceMs;
  while (isRunning(identity) && performance.now() < deadline) await sleep(50);
  // Also what it started and left behind: each of our processes leads a group of its own.
  signal(-identity.pid, "SIGKILL");
  while (isRunning(identity)) await sleep(20);
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in the meantime.
  }
}
