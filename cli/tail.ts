import type { Command } from "commander";
import type { StreamEvent } from "../platform/wire.ts";
import { connect, serverClient } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { print, printJson } from "./format.ts";
import { parseCount } from "./options.ts";

interface TailOptions {
  readonly query?: string;
  readonly count?: number;
  readonly json: boolean;
}

export function addTail(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("tail")
    .description("follow executions as they run: when, which query, which execution, after which delay")
    .option("--query <id>", "only this query's (or of all whose id begins so)")
    .option("-n, --count <number>", "stop after so many", parseCount)
    .option("--json", "one JSON object a line", false)
    .action((options: TailOptions) => run(tail(options, program.opts<{ directory: string }>().directory)));
}

async function tail(
  { query, count = Number.POSITIVE_INFINITY, json }: TailOptions,
  directory: string,
): Promise<ExitStatus> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  process.stdout.on("error", () => stop.abort());
  let left = count;
  let tickMs = 0;
  const onEvent = (event: StreamEvent): undefined => {
    switch (event.type) {
      case "hello":
        tickMs = event.tickMs;
        return;
      case "tick":
        for (const { id, queryId, arrivedTick } of event.executed) {
          if (left <= 0) break;
          if (query !== undefined && !queryId.startsWith(query)) continue;
          left--;
          const delaySeconds = Math.round((event.tick - arrivedTick) * tickMs) / 1_000;
          const executedAt = new Date(event.at).toISOString();
          if (json) printJson({ executedAt, tick: event.tick, queryId, executionId: id, delaySeconds });
          else print(`${executedAt.slice(11, 23)}  ${queryId}  ${id}  ${delaySeconds.toFixed(1).padStart(6)} s`);
        }
        if (left <= 0) stop.abort();
    }
  };
  const onTrouble = (error: Error) => process.stderr.write(`evenkeel: ${error.message}\n`);
  await serverClient(connect(directory)).follow({ signal: stop.signal, onEvent, onTrouble });
  return exitStatus.ok;
}
