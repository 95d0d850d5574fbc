/** What `bench gate` starts and measures besides itself. */
import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { openSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface RunningGatekeeper {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A gatekeeper whose rows go to its outbox and nowhere else: sending them on is another machine's work. */
export async function startGatekeeper(directory: string): Promise<RunningGatekeeper> {
  const nowhere = "http://127.0.0.1:1";
  const token = randomUUID();
  const names = ["EXECUTIONS_TABLE", "WINDOWS_TABLE", "SERVERS_TABLE"].map((name) => [`EVENKEEL_${name}`, "none"]);
  const child = spawn(process.execPath, ["services/gatekeeper/main.ts"], {
    env: {
      ...process.env,
      ...Object.fromEntries(names),
      ...{ EVENKEEL_QUEUE_URL: `${nowhere}/none.fifo`, AWS_ENDPOINT_URL: nowhere, AWS_REGION: "us-east-1" },
      ...{ AWS_ACCESS_KEY_ID: "none", AWS_SECRET_ACCESS_KEY: "none", PORT: "0" },
      ...{ EVENKEEL_DATA_DIR: join(directory, "gatekeeper"), EVENKEEL_TOKEN: token },
    },
    stdio: ["ignore", "pipe", openSync(join(directory, "gatekeeper.log"), "a")],
  });
  const ended = once(child, "exit");
  const listening = once(createInterface({ input: child.stdout ?? process.stdin }), "line");
  const early = ended.then(() => Promise.reject(new Error("the gatekeeper ended before it listened")));
  const [line] = await Promise.race([listening, early]);
  early.catch(() => {});
  return {
    ...{ url: String(line).replace("listening ", ""), token, pid: child.pid ?? 0 },
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Processor time of a process so far, all its threads, in microseconds. */
export function cpuUs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // A thread that has just ended.
    }
  }
  return ns / 1_000;
}

/** Whether processes can be given cores of their own here. */
export function canPin(): boolean {
  try {
    execFileSync("taskset", ["-p", String(process.pid)], { stdio: "ignore" });
    return availableParallelism() > 1;
  } catch {
    return false;
  }
}

/** Binds processes and their children to cores (`0`, `0-1`). */
export function pin(pids: readonly number[], cores: string): void {
  for (const pid of pids) {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    const all = [pid, ...(children === "" ? [] : children.split(" ").map(Number))];
    for (const one of all) {
      try {
        execFileSync("taskset", ["-a", "-c", "-p", cores, String(one)], { stdio: "ignore" });
      } catch {
        // It has just ended.
      }
    }
  }
}
