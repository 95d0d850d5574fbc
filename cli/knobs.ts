import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { z } from "zod";
import { LocalError } from "../local/errors.ts";
import {
  type KnobsChange,
  type SchedulerKnobs,
  schedulerKnobs,
  schedulerStatus,
} from "../platform/scheduler-status.ts";
import { type Connection, connect } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatTable, print, printJson } from "./format.ts";
import { ask } from "./observe.ts";
import { parseBandWidth, parseBudget, parseBurst, parseMs, parseSeconds } from "./options.ts";

interface KnobsOptions {
  readonly on?: boolean;
  readonly off?: boolean;
  readonly latencyP95?: number;
  readonly bandWidth?: number;
  readonly burst?: number;
  readonly timeBudget?: number;
  readonly deadline?: Readonly<Record<string, number | null>>;
  readonly neverDelay?: readonly string[];
  readonly json: boolean;
}

export function addKnobs(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  program
    .command("knobs")
    .description(
      "show the scheduler's knobs, or turn those that are given; they hold from the next tick on and are kept",
    )
    .option("--on", "steer")
    .option("--off", "delay nothing any more; what is held runs off level")
    .option("--latency-p95 <seconds>", "the 95th percentile of the delay that you are ready to pay", parseBudget)
    .option("--band-width <share>", "half width of the band, relative to a window's average", parseBandWidth)
    .option(
      "--burst <mean ticks>",
      "with /delay alone: what may fall due in one tick if the scheduler dies",
      parseBurst,
    )
    .option("--time-budget <ms>", "how long planning one tick may take", parseMs)
    .option(
      "--deadline <query=seconds>",
      "the longest delay of a query; query=none takes it away (repeatable)",
      parseDeadline,
    )
    .option("--never-delay <query>", "never delay this one (repeatable)", (id, ids: string[] = []) => [...ids, id])
    .option("--json", "one JSON object", false)
    .action((options: KnobsOptions) => run(knobs(options, program.opts<{ directory: string }>().directory)));
}

function parseDeadline(text: string, before: Readonly<Record<string, number | null>> = {}) {
  const [, queryId, value] = /^(.+)=([^=]*)$/.exec(text) ?? [];
  if (queryId === undefined || value === undefined)
    throw new InvalidArgumentError("query=seconds is expected, or query=none.");
  return { ...before, [queryId]: value === "none" ? null : parseSeconds(value) };
}

async function knobs(options: KnobsOptions, directory: string): Promise<ExitStatus> {
  if (options.on && options.off) throw new LocalError("--on and --off cannot both be");
  const connection = connect(directory);
  const change = changeOf(options);
  const inForce = Object.keys(change).length === 0 ? await shown(connection) : await turned(connection, change);
  if (options.json) printJson(inForce);
  else {
    print(screen(inForce));
    const status = await ask(`${urlOf(connection)}/status`, schedulerStatus, connection.token);
    if (status.ok && status.value.advice) print(status.value.advice);
  }
  return exitStatus.ok;
}

function changeOf({
  on,
  off,
  latencyP95,
  bandWidth,
  burst,
  timeBudget,
  deadline,
  neverDelay,
}: KnobsOptions): KnobsChange {
  const never = Object.fromEntries((neverDelay ?? []).map((queryId) => [queryId, 0]));
  return {
    ...(on && { enabled: true }),
    ...(off && { enabled: false }),
    ...(latencyP95 !== undefined && { latencyP95Seconds: latencyP95 }),
    ...(bandWidth !== undefined && { bandWidth }),
    ...(burst !== undefined && { burst }),
    ...(timeBudget !== undefined && { timeBudgetMs: timeBudget }),
    ...((deadline || neverDelay) && { deadlineSeconds: { ...deadline, ...never } }),
  };
}

function urlOf({ schedulerUrl }: Connection): string {
  if (schedulerUrl === undefined)
    throw new LocalError("no scheduler is known: set EVENKEEL_SCHEDULER_URL, or start one with 'evenkeel up'");
  return schedulerUrl;
}

async function shown(connection: Connection): Promise<SchedulerKnobs> {
  const answer = await ask(`${urlOf(connection)}/knobs`, schedulerKnobs, connection.token);
  if (!answer.ok) throw new LocalError(`the scheduler does not tell its knobs: ${answer.problem}`);
  return answer.value;
}

const refusal = z.object({ error: z.string() });

async function turned(connection: Connection, change: KnobsChange): Promise<SchedulerKnobs> {
  const { token } = connection;
  let answer: Response;
  let body: unknown;
  try {
    answer = await fetch(`${urlOf(connection)}/knobs`, {
      method: "PUT",
      body: JSON.stringify(change),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(15_000),
    });
    body = await answer.json();
  } catch (cause) {
    throw new LocalError(`the scheduler at ${urlOf(connection)} does not answer`, { cause });
  }
  if (answer.ok) return schedulerKnobs.parse(body);
  const told = refusal.safeParse(body);
  throw new LocalError(`the knobs stay as they are: ${told.success ? told.data.error : `status ${answer.status}`}`);
}

function screen(inForce: SchedulerKnobs): string {
  const deadlines = Object.entries(inForce.deadlineSeconds).map(([queryId, seconds]) => [
    `deadline of ${queryId}`,
    seconds === 0 ? "never delayed" : `${seconds} s`,
  ]);
  return formatTable(
    ["", ""],
    [
      ["steering", inForce.enabled ? "on" : "off: nothing is delayed"],
      ["latency budget", `${inForce.latencyP95Seconds} s (p95)`],
      ["band width", `±${Number((inForce.bandWidth * 100).toPrecision(6))}%`],
      ["burst", `${inForce.burst} mean ticks (with /delay alone)`],
      ["time budget", `${inForce.timeBudgetMs} ms a tick`],
      ...deadlines,
    ],
  ).trimStart();
}
