import type { Command } from "commander";
import { workloadEnvironment } from "../platform/environment.ts";
import { connect } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print, printJson } from "./format.ts";

const cloudVariables = [
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_S3",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
];

export function addEnv(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("env")
    .description('print the variables that lead the aws command and your own programs here: eval "$(bin/evenkeel env)"')
    .option("--json", "one JSON object", false)
    .action(({ json }: { json: boolean }) => run(env(json, program.opts<{ directory: string }>().directory)));
}

async function env(json: boolean, directory: string): Promise<ExitStatus> {
  const { aws, names } = connect(directory);
  const wanted = [...cloudVariables, ...Object.keys(workloadEnvironment.shape)];
  const variables = Object.entries({ ...aws, ...names }).filter(
    (entry): entry is [string, string] => wanted.includes(entry[0]) && entry[1] !== undefined,
  );
  if (json) printJson(Object.fromEntries(variables));
  else print(variables.map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`).join("\n"));
  return exitStatus.ok;
}
