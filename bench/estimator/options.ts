import { parseArgs } from "node:util";
import { ParametersError, scenarioNames } from "../../sim-server/database/parameters.ts";

export const help = `Learns costs in virtual time: the same seed gives the same numbers (but for times and memory).

  bench estimator [options]

  --scenario <name|file>    ${scenarioNames.join(", ")}, or a parameter file (default)
  --seed <n|n-m>            of the world and its traffic; with two, means over all from the first to the last (1)
  --minutes <n>             of traffic (5)
  --every <seconds>         between estimates (60); up to 60 and without --process, the first two minutes have one every 5 s
  --from <minutes>          no estimate before, as when learning begins anew with windows recorded long since (0)
  --server <stamped|plain>  plain: windows end up to a tick off, and their bounds are not told (by the scenario)
  --unseen <share>          of executions, missing from what the estimator is told (0)
  --steer                   the planner has the windows from the second minute on, told costs each minute; without it all
                            runs when its default delay is over
  --show <n>                one window in n runs an execution whose cost is unsure, and nothing else: what placing for
                            the sake of learning gains, and what it costs in windows in band and delay (0: none does)
  --show-after <minutes>    no such window before (0)
  --process                 each estimate in a process of its own from the state of the one before, as the function
                            makes it and within its memory; of the later half of them the processor time, the seconds
                            that it takes with the function's share of a core, and resident memory
  --json                    one JSON line for machines
`;

export interface EstimatorOptions {
  readonly scenario: string;
  readonly seed: number;
  readonly minutes: number;
  readonly every: number;
  readonly from: number;
  readonly server: "stamped" | "plain" | undefined;
  readonly unseen: number;
  readonly steer: boolean;
  readonly show: number;
  readonly showAfter: number;
}

export interface CommandOptions extends EstimatorOptions {
  readonly lastSeed: number;
  readonly process: boolean;
  readonly json: boolean;
}

const greatestSeed = 0xffffffff;

function numberOf(name: string, value: string, low: number, high: number, whole: boolean): number {
  const number = Number(value);
  if (value.trim() === "" || !(number >= low && number <= high) || (whole && !Number.isInteger(number)))
    throw new ParametersError(
      `--${name} takes a ${whole ? "whole " : ""}number from ${low} to ${high}, not '${value}'`,
    );
  return number;
}

function seedsOf(value: string): { seed: number; lastSeed: number } {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(value) ?? [];
  if (first === undefined || last === undefined) {
    const seed = numberOf("seed", value, 0, greatestSeed, true);
    return { seed, lastSeed: seed };
  }
  const seed = numberOf("seed", first, 0, greatestSeed, true);
  return { seed, lastSeed: numberOf("seed", last, seed, greatestSeed, true) };
}

/** @throws Error with one line for the user; undefined when help was asked for */
export function parseEstimatorOptions(args: string[]): CommandOptions | undefined {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "5" },
      every: { type: "string", default: "60" },
      from: { type: "string", default: "0" },
      server: { type: "string" },
      unseen: { type: "string", default: "0" },
      steer: { type: "boolean", default: false },
      show: { type: "string", default: "0" },
      "show-after": { type: "string", default: "0" },
      process: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const { server } = values;
  if (server !== undefined && server !== "stamped" && server !== "plain")
    throw new ParametersError(`--server takes stamped or plain, not '${server}'`);
  return {
    scenario: values.scenario,
    ...seedsOf(values.seed),
    minutes: numberOf("minutes", values.minutes, 0.1, 10_000, false),
    every: numberOf("every", values.every, 1, 86_400, true),
    from: numberOf("from", values.from, 0, 10_000, false),
    server,
    unseen: numberOf("unseen", values.unseen, 0, 0.9, false),
    steer: values.steer,
    show: numberOf("show", values.show, 0, 1_000, true),
    showAfter: numberOf("show-after", values["show-after"], 0, 10_000, false),
    process: values.process,
    json: values.json,
  };
}
