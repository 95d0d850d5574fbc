/** The record of what runs from a directory: who started it, its processes and addresses, and the deployment. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { cloudKinds } from "./cloud.ts";
import { LocalError } from "./errors.ts";
import { stopLocalstack } from "./localstack.ts";
import { endProcess, isRunning, processIdentity } from "./process-identity.ts";

const runRecord = z.strictObject({
  format: z.literal(1),
  startedAt: z.int(),
  supervisor: processIdentity,
  cloud: z.strictObject({ kind: z.enum(cloudKinds), port: z.int(), endpoint: z.string() }).optional(),
  /** In the order of their start. */
  processes: z.array(processIdentity.extend({ name: z.string(), url: z.string() })),
  serverId: z.string(),
  serverUrl: z.string(),
  schedulerUrl: z.string().optional(),
  /** The deployment's variables, once it is deployed. */
  environment: z.record(z.string(), z.string()),
});
export type RunRecord = z.infer<typeof runRecord>;

const fileOf = (directory: string) => join(directory, "run.json");

/** What runs, or was left behind by a run that was cut off; undefined when nothing was recorded or it cannot be read. */
export function readRun(directory: string): RunRecord | undefined {
  try {
    return runRecord.parse(JSON.parse(readFileSync(fileOf(directory), "utf8")));
  } catch {
    return undefined;
  }
}

export function writeRun(directory: string, run: RunRecord): void {
  mkdirSync(directory, { recursive: true });
  const draft = `${fileOf(directory)}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(runRecord.parse(run), undefined, 2)}\n`);
  renameSync(draft, fileOf(directory));
}

export function removeRun(directory: string): void {
  rmSync(fileOf(directory), { force: true });
}

/** @throws LocalError when a run is at work in the directory */
export function assertNoRun(directory: string): void {
  const run = readRun(directory);
  if (!run || run.supervisor.pid === process.pid || !isRunning(run.supervisor)) return;
  throw new LocalError(
    `it runs already (process ${run.supervisor.pid}): look at it with 'bin/evenkeel status', stop it with 'bin/evenkeel down'`,
  );
}

/** Saving the embedded cloud's state takes its time. */
const saveMs = 60_000;

/** Ends what a run that was cut off left behind, last started first; returns the names of what still ran. */
export async function endLeftovers(directory: string, graceMs = saveMs): Promise<string[]> {
  const run = readRun(directory);
  const ended: string[] = [];
  for (const { name, pid, started } of run?.processes.toReversed() ?? []) {
    if (await endProcess({ pid, started }, graceMs)) ended.push(name);
  }
  if (run?.cloud?.kind === "localstack") {
    await stopLocalstack(run.cloud.port);
    ended.push("LocalStack");
  }
  removeRun(directory);
  return ended;
}
