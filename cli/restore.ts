import type { Command } from "commander";
import { Option } from "commander";
import { LocalError } from "../local/errors.ts";
import { createDocument } from "../platform/aws.ts";
import { systemClock } from "../platform/clock.ts";
import { copyBack } from "../platform/tables/copy-back.ts";
import { connect } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatCount, print, printJson } from "./format.ts";
import { createLiveLine } from "./live-line.ts";

interface RestoreOptions {
  readonly into: "executions" | "windows";
  readonly server?: string;
  readonly dryRun: boolean;
  readonly json: boolean;
}

const help = `
Restore the table first, under another name (docs/runbook.md#backup-and-restore). Rows are written under keys made of
their content, so that doing it twice does no harm; receipts follow once all rows are there. Tombstones are left out:
their rows are sent again. Afterwards 'evenkeel audit --deep' tells whether anything is missing.`;

export function addRestore(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("restore")
    .description("copy what a restored table holds back into the one in use")
    .argument("<table>", "the restored table's name")
    .addOption(
      new Option("--into <table>", "the table in use").choices(["executions", "windows"]).makeOptionMandatory(),
    )
    .option("--server <id>", "only what is this server's")
    .option("--dry-run", "only count", false)
    .option("--json", "JSON", false)
    .addHelpText("after", help)
    .action((table: string, options: RestoreOptions) =>
      run(restore(table, options, program.opts<{ directory: string }>().directory)),
    );
}

async function restore(
  from: string,
  { into, server: serverId, dryRun, json }: RestoreOptions,
  directory: string,
): Promise<ExitStatus> {
  const { aws, names } = connect(directory);
  const to = into === "executions" ? names.EVENKEEL_EXECUTIONS_TABLE : names.EVENKEEL_WINDOWS_TABLE;
  if (from === to) throw new LocalError(`${from} is the table in use: name the restored one`);
  const document = createDocument(aws);
  const line = createLiveLine(process.stderr, systemClock.monotonic);
  try {
    const options = { sleep: (ms: number) => systemClock.sleep(ms), random: Math.random };
    const copied = await copyBack(document, { from, to, serverId, dryRun }, options, ({ rows, receipts }) =>
      line.show(`${formatCount(rows)} rows, ${formatCount(receipts)} receipts`),
    );
    line.clear();
    const { rows, receipts, tombstones, refused } = copied;
    if (json) printJson(copied);
    else {
      const what = `${formatCount(rows)} rows and ${formatCount(receipts)} receipts`;
      print(`${dryRun ? "would copy" : "copied"} ${what} into ${to}, left out ${formatCount(tombstones)} tombstones`);
      if (refused > 0) print(`${formatCount(refused)} rows were refused by the table; no receipts were copied`);
    }
    return refused > 0 ? exitStatus.no : exitStatus.ok;
  } catch (error) {
    if (error instanceof Error && error.name === "ResourceNotFoundException")
      throw new LocalError(`there is no table ${from}, or none ${to}`, { cause: error });
    throw error;
  } finally {
    line.clear();
    document.destroy();
  }
}
