import type { Command } from "commander";
import { connect } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print, printJson } from "./format.ts";

export function addEnv(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("env")
    .description('the variables that lead other programs to what runs here: eval "$(bin/evenkeel env)"')
    .option("--json", "one JSON object", false)
    .action(({ json }: { json: boolean }) => run(env(json, program.opts<{ directory: string }>().directory)));
}

async function env(json: boolean, directory: string): Promise<ExitStatus> {
  const { aws, names, serverUrl } = connect(directory);
  const cloud = Object.entries(aws).filter(([name]) => name.startsWith("AWS_"));
  const variables = { ...Object.fromEntries(cloud), ...names, EVENKEEL_SERVER_URL: serverUrl };
  if (json) printJson(variables);
  else for (const [name, value] of Object.entries(variables)) print(`export ${name}='${value}'`);
  return exitStatus.ok;
}
