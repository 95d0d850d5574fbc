/** The `evenkeel` command. */
import { Command, CommanderError } from "commander";
import { LocalError } from "../local/errors.ts";
import { defaultDirectory } from "../local/paths.ts";
import { describeError } from "../platform/log.ts";
import { addAttach } from "./attach.ts";
import { addAudit } from "./audit.ts";
import { addConform } from "./conform.ts";
import { addCosts } from "./costs.ts";
import { addDlq } from "./dlq.ts";
import { addDown } from "./down.ts";
import { addEnv } from "./env.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { addFrontier } from "./frontier.ts";
import { addKnobs } from "./knobs.ts";
import { addPostgresDemo } from "./postgres-demo.ts";
import { addReplay } from "./replay.ts";
import { addRestore } from "./restore.ts";
import { addStatus } from "./status.ts";
import { addTail } from "./tail.ts";
import { addUp } from "./up.ts";

const exitStatusHelp = `
Exit status: 0 done, and what was asked for holds; 1 done, and it does not hold (audit: something is missing, status:
something does not work); 2 wrong usage; 3 it could not be done (the message says why).`;

/** Runs the command line; returns the exit status. Errors are told in one line on standard error. */
export async function main(args: readonly string[]): Promise<ExitStatus> {
  let status: ExitStatus = exitStatus.ok;
  const run = async (action: Promise<ExitStatus>) => {
    status = await action;
  };
  const program = new Command("evenkeel")
    .description("records everything that a database executes, learns what it costs, and keeps the load level")
    .option(
      "--directory <path>",
      "where this machine's cloud and database keep their data",
      process.env.EVENKEEL_DIRECTORY || defaultDirectory,
    )
    .addHelpText("after", exitStatusHelp)
    .showHelpAfterError("(--help says more)")
    .exitOverride();
  for (const add of [
    addUp,
    addDown,
    addPostgresDemo,
    addStatus,
    addKnobs,
    addCosts,
    addFrontier,
    addReplay,
    addAudit,
    addDlq,
    addRestore,
    addTail,
    addAttach,
    addConform,
    addEnv,
  ])
    add(program, run);
  try {
    await program.parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
    process.stderr.write(`evenkeel: ${oneLine(error)}\n`);
    return exitStatus.trouble;
  }
}

function oneLine(error: unknown): string {
  if (error instanceof LocalError) return error.message;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOSPC") return "the disk is full: make room, and start again";
  return describeError(error);
}
