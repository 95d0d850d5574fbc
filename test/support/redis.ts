/** A real Redis on this machine, in memory only: of the system, of EVENKEEL_REDIS, or what `local/redis.sh` got. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "../../local/ports.ts";
import { end } from "./child.ts";
import { program } from "./program.ts";

export interface RunningRedis {
  readonly port: number;
  stop(): Promise<void>;
  /** As after kill -9; it comes back empty at the same port. */
  kill(): Promise<void>;
}

export async function startRedis(port?: number): Promise<RunningRedis> {
  const file = program("redis-server", process.env.EVENKEEL_REDIS, resolve(".local/redis/redis-server"));
  if (!file) throw new Error("there is no redis-server: 'sh local/redis.sh' gets one, EVENKEEL_REDIS names one");
  const at = port ?? (await freePort());
  const args = ["--port", String(at), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes("Ready to accept connections")) break;
  }
  if (child.exitCode !== null) throw new Error(`redis-server ended at once (port ${at})`);
  child.stdout.resume();
  return { port: at, stop: () => end(child, "SIGTERM"), kill: () => end(child, "SIGKILL") };
}
