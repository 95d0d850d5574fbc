import type { Command } from "commander";
import { z } from "zod";
import { LocalError } from "../local/errors.ts";
import { readRun } from "../local/run-record.ts";
import { readToken } from "../local/token.ts";
import { createDocument } from "../platform/aws.ts";
import { parseEnvironment } from "../platform/config.ts";
import { workloadEnvironment } from "../platform/environment.ts";
import { parseServerUrl, reachOf, reachVariables } from "../platform/server-address.ts";
import { registerServer } from "../platform/tables/servers.ts";
import { printFindings, testServer } from "./conform.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print, printJson } from "./format.ts";
import { parseWatch } from "./options.ts";

interface AttachOptions {
  readonly seconds: number;
  readonly json: boolean;
}

export function addAttach(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("attach")
    .description(
      "register a database server, or the tap before one, so that its costs are learned; it is checked first, and exit status 1 says that it was not registered",
    )
    .argument("<url>", "the server's address, as the scheduler reaches it")
    .option("--seconds <seconds>", "how long it is watched before", parseWatch, 5)
    .option("--json", "one JSON object", false)
    .action((url: string, options: AttachOptions) =>
      run(attach(url, options, program.opts<{ directory: string }>().directory)),
    );
}

const tableName = workloadEnvironment.pick({ EVENKEEL_SERVERS_TABLE: true });

/** The deployment whose registry is written: what runs here, or what the environment names. */
function deployment(directory: string) {
  if (process.env.EVENKEEL_SERVERS_TABLE) {
    return { aws: process.env, table: parseEnvironment(tableName, process.env).EVENKEEL_SERVERS_TABLE };
  }
  const run = readRun(directory);
  const names = tableName.safeParse(run?.environment);
  if (!run || !names.success) {
    throw new LocalError(
      "no deployment to attach it to: start one with 'make local', or set the variables that 'evenkeel env' prints",
    );
  }
  return { aws: run.environment, table: names.data.EVENKEEL_SERVERS_TABLE };
}

async function attach(given: string, { seconds, json }: AttachOptions, directory: string): Promise<ExitStatus> {
  const reach = reachOf(parseEnvironment(z.object(reachVariables), process.env));
  const url = parseServerUrl(given, reach).href.replace(/\/$/, "");
  const { aws, table } = deployment(directory);
  const options = { seconds, tickMs: 100, windowMs: 1_000, delay: false, json };
  const conformance = await testServer(url, options, readToken(directory));
  const { server, verdict } = conformance;
  if (verdict === "unusable" || !server) {
    if (json) printJson({ url, registered: false, ...conformance });
    else {
      printFindings(conformance);
      print(
        verdict === "unusable"
          ? "\nNot registered."
          : `\nNot registered: it has only the three calls. Put the tap before it, and attach that:\n\n${tapCommand(url, directory)}`,
      );
    }
    return exitStatus.no;
  }
  const document = createDocument(aws);
  try {
    await registerServer(document, table, {
      serverId: server.serverId,
      url,
      kind: server.kind,
      registeredAt: Date.now(),
    });
  } finally {
    document.destroy();
  }
  if (json) printJson({ url, registered: true, serverId: server.serverId, kind: server.kind, ...conformance });
  else {
    const deviating = conformance.findings.filter((finding) => finding.verdict === "deviates").length;
    print(
      `Registered: ${server.serverId} (${server.kind === "tap" ? "a plain server, tapped" : "numbers its executions"}) at ${url}; its costs are learned from the next minute on.`,
    );
    if (deviating > 0) print(`${deviating} things deviate: 'evenkeel conform ${url}' says which, and what they cost.`);
    print(`To level its load, run a scheduler for it: docs/attach.md.`);
  }
  return exitStatus.ok;
}

function tapCommand(url: string, directory: string): string {
  return [
    '  eval "$(bin/evenkeel env)"',
    `  EVENKEEL_SERVER_URL=${url} EVENKEEL_SERVER_ID=my-database EVENKEEL_DATA_DIR=${directory}/tap-my-database \\`,
    `    EVENKEEL_TOKEN=$(cat ${directory}/token) PORT=9021 node_modules/.bin/node services/tap/main.ts`,
    "  bin/evenkeel attach http://127.0.0.1:9021",
    "",
    `In AWS the deployment runs it: npx cdk deploy --all -c tap=${url}`,
  ].join("\n");
}
