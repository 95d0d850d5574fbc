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
