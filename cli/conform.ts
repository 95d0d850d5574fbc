import type { Command } from "commander";
import { LocalError } from "../local/errors.ts";
import { type Conformance, conform } from "../platform/conformance/conform.ts";
import type { Verdict } from "../platform/conformance/findings.ts";
import { describeError } from "../platform/log.ts";
import { asking } from "./asking.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print, printJson } from "./format.ts";
import { createLiveLine } from "./live-line.ts";
import { parseMilliseconds, parseWatch } from "./options.ts";

interface ConformanceOptions {
  readonly seconds: number;
  readonly tickMs: number;
  readonly windowMs: number;
  readonly delay: boolean;
  readonly json: boolean;
}

export function addConform(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("conform")
    .description(
      "test whether a database server offers what Evenkeel needs, call by call: what is right, what deviates, and what that costs; exit status 1 when it cannot be worked with",
    )
    .argument("<url>", "the server's address, such as http://127.0.0.1:9000; EVENKEEL_SERVER_TOKEN is sent if set")
    .option("--seconds <seconds>", "how long it is watched", parseWatch, 15)
    .option("--tick-ms <milliseconds>", "how long its ticks are", parseMilliseconds, 100)
    .option("--window-ms <milliseconds>", "how long its metrics windows are", parseMilliseconds, 1_000)
    .option("--no-delay", "delay nothing (by default two executions are delayed by 15 ticks each)")
    .option("--json", "one JSON object", false)
    .action((url: string, options: ConformanceOptions) => run(conformCommand(url, options)));
}

async function conformCommand(url: string, options: ConformanceOptions): Promise<ExitStatus> {
  const conformance = await testServer(url, options);
  if (options.json) printJson({ url, ...conformance });
  else printFindings(conformance);
  return conformance.verdict === "unusable" ? exitStatus.no : exitStatus.ok;
}

/** Tests the server at `url`, with its progress on standard error. */
export async function testServer(url: string, options: ConformanceOptions, localToken?: string): Promise<Conformance> {
  const server = asking(url, localToken);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once("SIGINT", interrupt);
  const line = createLiveLine(process.stderr, server.clock.monotonic);
  try {
    return await conform({
      ...server,
      watchMs: options.seconds * 1_000,
      tickMs: options.tickMs,
      windowMs: options.windowMs,
      mayDelay: options.delay,
      signal: stop.signal,
      onProgress: (share, seen) => {
        if (process.stderr.isTTY) line.show(`watching: ${Math.round(share * 100)}%, ${seen} executions seen`);
      },
    });
  } catch (error) {
    throw new LocalError(`${server.base}: ${describeError(error)}`, { cause: error });
  } finally {
    line.clear();
    process.removeListener("SIGINT", interrupt);
  }
}

const words: Readonly<Record<Verdict, string>> = {
  right: "right   ",
  deviates: "deviates",
  wrong: "WRONG   ",
  unseen: "not seen",
};

const conclusions: Readonly<Record<Conformance["verdict"], string>> = {
  conforms: "It conforms: nothing deviates.",
  usable: "Evenkeel works with it; what deviates costs what is said beside it.",
  unusable: "Evenkeel cannot work with it until what is WRONG is mended.",
};

/** Findings call by call. */
export function printFindings({ findings, verdict }: Conformance): void {
  for (const [call, found] of Map.groupBy(findings, (finding) => finding.call)) {
    print(`\n${call}`);
    for (const finding of found) {
      print(`  ${words[finding.verdict]}  ${finding.check}${finding.seen === undefined ? "" : `: ${finding.seen}`}`);
      if (finding.cost !== undefined) print(`            costs ${finding.cost}`);
    }
  }
  const notSeen = findings.filter((finding) => finding.verdict === "unseen").length;
  print(`\n${conclusions[verdict]}${notSeen > 0 ? ` Not seen: ${notSeen}.` : ""}`);
}
