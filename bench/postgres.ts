/** `bench postgres`: a real PostgreSQL under bursts of reports, naive against gated, in each run. */
import { parseArgs } from "node:util";
import { burstEveryMs, type LoadName, loadNames } from "../demo/postgres/reports.ts";
import { medians } from "./postgres/medians.ts";
import { measureRun } from "./postgres/run.ts";
import { openStand } from "./postgres/stand.ts";
import { choice, wholeNumber } from "./smoothing/options.ts";

const help = `A real PostgreSQL 18 with data of the TPC-H kind: reports fire in bursts each 12 s over a background of short
transactions, first with nothing delayed (naive), then gated, with costs learned in the run; a second is in band when its
CPU lies within 10% of the mean of all seconds of its phase in which reports waited or ran. Seconds are the
gatekeeper's windows; inBandGatedAnyPhase is the mean over seconds that begin at any tenth of them, and
inBandGatedPromised that within the band which the scheduler promises (promisedBand): 10%, or what its floor allows;
overheadP99Ms what a report takes longer through the gate in mode observe, but for the first burst, in which code is compiled.

  bench postgres [options]

  --load <name>        heavy: about 900 CPU ms/s, longest query 240 ms; light: 165 ms/s, 55 ms; tpch: the 22 queries
                       of TPC-H as DuckDB publishes them, five streams a burst, 870 ms/s, 540 ms (heavy)
  --seconds <n>        of each phase, rounded up to whole bursts (60)
  --runs <n>           so many runs, and the median of each figure over them (1)
  --learn once|each    costs are learned in the first run, and kept; or anew in each run (once)
  --warmup <n>         at least so many gated seconds before they count (72)
  --settle <n>         the same in later runs, when costs are known (36)
  --trace              CPU ms of each second, and what was learned of each query
  --json               one JSON line for machines; progress goes to standard error
`;

export async function postgres(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      load: { type: "string", default: "heavy" },
      seconds: { type: "string", default: "60" },
      runs: { type: "string", default: "1" },
      learn: { type: "string", default: "once" },
      warmup: { type: "string", default: "72" },
      settle: { type: "string", default: "36" },
      trace: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const runs = wholeNumber("runs", values.runs, 100);
  if (runs === 0) throw new Error("--runs must be at least 1");
  const bursts = (name: "seconds" | "warmup" | "settle") =>
    Math.ceil(wholeNumber(name, values[name], 3_600) / (burstEveryMs / 1_000));
  const result = await measurePostgres(choice("load", values.load, loadNames), {
    ...{ runs, trace: values.trace, bursts: bursts("seconds"), warmup: bursts("warmup"), settle: bursts("settle") },
    learn: choice("learn", values.learn, ["once", "each"]),
  });
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : table(result));
  if (result.runs.some(({ failed, resultsEqual }) => failed > 0 || !resultsEqual)) process.exitCode = 1;
}

interface Options {
  readonly runs: number;
  readonly learn: "once" | "each";
  /** Of each phase; and those that do not count, in a run that learns and in one that need not. */
  readonly bursts: number;
  readonly warmup: number;
  readonly settle: number;
  readonly trace: boolean;
}

export async function measurePostgres(load: LoadName, { runs, learn, bursts, warmup, settle, trace }: Options) {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("interrupted"));
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, interrupt);
  const { signal } = stop;
  const begun = performance.now();
  const say = (line: string) =>
    process.stderr.write(`${`${Math.round((performance.now() - begun) / 1_000)} s`.padStart(6)}  ${line}\n`);
  const results: Awaited<ReturnType<typeof measureRun>>["figures"][] = [];
  let promise: string | null = null;
  say("starting PostgreSQL and its loop");
  let stand = await openStand(load, { say, signal });
  try {
    while (results.length < runs) {
      const number = results.length + 1;
      const fresh = number === 1 || learn === "each";
      if (fresh && number > 1) {
        await stand.stop();
        stand = await openStand(load, { say, signal });
      }
      const measured = await measureRun(stand, {
        ...{ bursts, trace, signal, warmup: fresh ? warmup : settle },
        say: (line) => say(`run ${number} of ${runs}: ${line}`),
      });
      results.push(measured.figures);
      promise = measured.promise;
      // So that what was measured is not lost when a later run fails.
      say(`run ${number} of ${runs}: ${JSON.stringify(measured.figures)}`);
    }
  } finally {
    await stand.stop();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, interrupt);
  }
  const seconds = (bursts * burstEveryMs) / 1_000;
  return {
    load,
    seconds,
    learned: learn === "once" ? "in the first run" : "in each run",
    /** Why 10% is not promised, with the nearest promise that can be kept, which `inBandGatedPromised` judges by; null where it is. */
    promise,
    ...medians(results),
    runs: results,
  };
}

/** A line a figure: its median, and each run's. */
function table({ load, seconds, learned, promise, runs }: Awaited<ReturnType<typeof measurePostgres>>): string {
  const rows = Object.entries(medians(runs)).map(([name, median]) => [
    name,
    String(median),
    ...runs.map((run) => String(Object.entries(run).find(([key]) => key === name)?.[1])),
  ]);
  const lines = [["", "median", ...runs.map((_, index) => `run ${index + 1}`)], ...rows];
  const text = lines.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(22) : cell.padStart(9))).join(""),
  );
  const title = `${load}, ${seconds} s naive and ${seconds} s gated, costs learned ${learned}`;
  return [title, ...text, ...(promise ? [`${promise} (inBandGatedPromised)`] : []), ""].join("\n");
}
