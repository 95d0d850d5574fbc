import { readdirSync, readFileSync } from "node:fs";

/** Resident memory in MB; NaN where the system does not tell. */
export function processMegabytes(pid: number | undefined): number {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Math.round(Number(kilobytes) / 1_024);
  } catch {
    return Number.NaN;
  }
}

/** The embedded cloud runs each function as a child of its own. */
export function recorderPid(cloudPid: number | undefined): number | undefined {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .find((pid) => isRecorder(pid, cloudPid));
  } catch {
    return undefined;
  }
}

function isRecorder(pid: number, cloudPid: number | undefined): boolean {
  try {
    const [, parent] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(parent) === cloudPid && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("RecordConsumer");
  } catch {
    return false;
  }
}

/** Linux counts processor time in hundredths of a second, on every machine that Node runs on. */
const tickMicroseconds = 10_000;

/** Processor time that a process has taken, user and system, in microseconds; NaN where the system does not tell. */
export function processorTime(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold spaces: fields 14 and 15 are counted from behind it.
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .map(Number);
    return ((user ?? Number.NaN) + (system ?? Number.NaN)) * tickMicroseconds;
  } catch {
    return Number.NaN;
  }
}
