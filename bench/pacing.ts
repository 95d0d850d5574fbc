/** `bench pacing`: how level the seconds of a database are whose executions last, in virtual time. */
import { parseArgs } from "node:util";
import { levelShare } from "../core/workload/measures.ts";
import { type CostsName, createGate, type GateName } from "./pacing/gates.ts";
import { type LoadName, loadNames, loadOf } from "./pacing/loads.ts";
import { SpreadWorld, windowTicks } from "./pacing/world.ts";
import { choice, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `How level the seconds of a database are whose executions last longer than a tick, in virtual time: queries
fire in bursts each 12 s over a background of short statements, on two cores; a second is in band when its CPU lies within
10% of the mean of all.

  bench pacing [options]

  --load heavy|light|tpch|long  about 900 CPU ms/s, longest query 242 ms; 165 ms/s, 55 ms; TPC-H's 22, 900 ms/s, 504 ms;
                                1200 ms/s, queries of 0.5, 0.9, 1.5 and 3 s beside short ones (heavy)
  --gate none|tokens|evenkeel   who delays: no one, a gate of tokens with the true mean costs, the planner (evenkeel)
  --costs learned|true|spoilt   what the planner goes by: learned from nothing in the same run, the truth, the same for all (learned)
  --seed <n>                    (1)
  --seconds <n>                 virtual seconds, of which the first are not counted (240)
  --warmup <n>                  how many those are (120)
  --runs <n>                    as "bench postgres" makes them: 60 s in which nothing is delayed before each of so many, of
                                which later ones count after 36 s; the figures are those of the last (0: gated from the start)
  --machine quiet|busy          busy: other processes take 0.1 to 1.7 of the two cores, the sampler reads each 100 to 400 ms (quiet)
  --json                        one JSON line for machines
`;

export interface PacingRun {
  readonly load: LoadName;
  readonly gate: GateName;
  readonly seed: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly costs: CostsName;
  /** 0: gated from the start. */
  readonly runs?: number;
  readonly machine?: "quiet" | "busy";
}

/** CPU in ms a second, delays in seconds. */
export interface PacingResult {
  readonly load: LoadName;
  readonly gate: GateName;
  readonly seconds: number;
  readonly cpuMs: number;
  readonly inBand: number;
  /** The same of seconds that begin at any tick of the windows, on average. */
  readonly inBandAnyPhase: number;
  /** Of the seconds' CPU, relative to its mean. */
  readonly deviation: number;
  readonly delayP50: number;
  readonly delayP95: number;
  readonly delayMax: number;
}

/** From the end of one application of `bench postgres` to the first burst of the next; at a run's end, until all has run. */
const restartSeconds = 2;
const drainSeconds = 16;
const naiveSeconds = 60;
const settleSeconds = 36;

export function run({
  load: name,
  gate,
  seed,
  seconds,
  warmup,
  costs,
  runs = 0,
  machine = "quiet",
}: PacingRun): PacingResult {
  const load = loadOf(name, seed);
  const world = new SpreadWorld({
    ...{ load, seed, cores: 2, answerMs: 12, deferTicks: 200 },
    ...(machine === "busy" && { others: 0.7, sampleMs: [100, 400] as const }),
  });
  const pacer = createGate(gate, load, costs, () => world.windows);
  let from = warmup;
  for (let number = 1; number <= runs; number++) {
    world.run(naiveSeconds, pacer, "observe");
    world.run(restartSeconds, pacer, "none");
    if (number === runs) break;
    world.run(seconds - (number === 1 ? 0 : warmup - settleSeconds), pacer);
    world.run(drainSeconds, pacer, "none");
  }
  if (runs > 1) from = settleSeconds;
  from += world.seconds().length;
  world.run(seconds - (runs > 1 ? warmup - settleSeconds : 0), pacer);
  const busy = (shift: number) =>
    world
      .seconds(shift)
      .slice(from)
      .filter(({ active }) => active)
      .map(({ sampled }) => sampled);
  const used = busy(0);
  const shares = Array.from({ length: windowTicks }, (_, shift) => levelShare(busy(shift)) ?? 0);
  const mean = used.reduce((sum, ms) => sum + ms, 0) / used.length;
  const variance = used.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / used.length;
  const delays = world.delaysFrom(from);
  return {
    load: name,
    gate,
    seconds: used.length,
    cpuMs: rounded(mean, 1),
    inBand: rounded(levelShare(used) ?? 0, 3),
    inBandAnyPhase: rounded(shares.reduce((sum, share) => sum + share, 0) / shares.length, 3),
    deviation: rounded(Math.sqrt(variance) / mean, 3),
    delayP50: rounded(quantile(delays, 0.5), 1),
    delayP95: rounded(quantile(delays, 0.95), 1),
    delayMax: rounded(quantile(delays, 1), 1),
  };
}

export async function pacing(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      load: { type: "string", default: "heavy" },
      gate: { type: "string", default: "evenkeel" },
      costs: { type: "string", default: "learned" },
      seed: { type: "string", default: "1" },
      seconds: { type: "string", default: "240" },
      warmup: { type: "string", default: "120" },
      runs: { type: "string", default: "0" },
      machine: { type: "string", default: "quiet" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const seconds = wholeNumber("seconds", values.seconds, 100_000);
  print(
    run({
      load: choice("load", values.load, loadNames),
      gate: choice("gate", values.gate, ["none", "tokens", "evenkeel"]),
      costs: choice("costs", values.costs, ["learned", "true", "spoilt"]),
      seed: wholeNumber("seed", values.seed, 0xffffffff),
      seconds,
      warmup: wholeNumber("warmup", values.warmup, Math.max(0, seconds - 1)),
      runs: wholeNumber("runs", values.runs, 100),
      machine: choice("machine", values.machine, ["quiet", "busy"]),
    }),
    values.json,
  );
}
