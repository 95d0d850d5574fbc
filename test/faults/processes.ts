/** Processes as /proc shows them, and the end of those that a campaign started. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { childEnvironment } from "../../local/process.ts";

/** Everything that runs: ids. */
export function allProcesses(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Variable of everything that a campaign starts: the campaign's directory. The cloud has the directory in its own variables. */
export const campaignVariable = "EVENKEEL_FAULTS_CAMPAIGN";

/** What a campaign started and what that started: whatever has the campaign's directory, which is nobody else's, in a variable. */
export function startedBy(directory: string): number[] {
  const isOurs = (variables: string) => variables.includes(`=${directory}/`) || variables.includes(`=${directory}\0`);
  return allProcesses().filter((pid) => {
    try {
      return pid !== process.pid && isOurs(readFileSync(`/proc/${pid}/environ`, "utf8"));
    } catch {
      // It has ended, or is another user's.
      return false;
    }
  });
}

export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

export function parentOf(pid: number): number | undefined {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) \S+ /s, "")
        .split(" ")[0],
    );
  } catch {
    return undefined;
  }
}

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Ends what the campaign started and removes its directory when this process ends, however it does. */
export function startReaper(directory: string): ChildProcess {
  const script = new URL("./reaper.ts", import.meta.url).pathname;
  const reaper = spawn(process.execPath, [script, directory], {
    env: childEnvironment(),
    // Ctrl-C is told to the whole group.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  reaper.unref();
  return reaper;
}

/** Has the reaper do its work now. */
export async function finish(reaper: ChildProcess): Promise<void> {
  if (reaper.exitCode !== null || reaper.signalCode !== null) return;
  const exited = once(reaper, "exit");
  reaper.ref();
  reaper.stdin?.end();
  await exited;
}
