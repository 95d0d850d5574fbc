import type { Command } from "commander";
import { endProcess, isRunning } from "../local/process-identity.ts";
import { endLeftovers, readRun } from "../local/run-record.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print } from "./format.ts";

/** Stopping saves the embedded cloud's state. */
const graceMs = 90_000;

export function addDown(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("down")
    .description("stop what 'up' started, as Ctrl-C does there; ends what a killed run left behind, too")
    .action(() => run(down(program.opts<{ directory: string }>().directory)));
}

async function down(directory: string): Promise<ExitStatus> {
  const run = readRun(directory);
  const wasRunning = run !== undefined && isRunning(run.supervisor);
  if (wasRunning) await endProcess(run.supervisor, graceMs);
  const leftovers = await endLeftovers(directory);
  if (leftovers.length > 0) print(`ended what was left behind: ${leftovers.join(", ")}`);
  else print(wasRunning ? "stopped; the state is kept" : "nothing ran");
  return exitStatus.ok;
}
