/** One run: naive, then gated, on a stand that may have seen runs before. */
import { setTimeout as sleep } from "node:timers/promises";
import { levelShare } from "../../core/workload/measures.ts";
import { promiseOf } from "../../core/workload/pacing/floor.ts";
import { burstEveryMs } from "../../demo/postgres/reports.ts";
import type { DemoApplication } from "../../local/demo-application.ts";
import { quantile, rounded } from "../smoothing/options.ts";
import { busySeconds, inBandAnyPhase, type Phase, sameResults } from "./judge.ts";
import { meterEveryMs } from "./meter.ts";
import type { Stand } from "./stand.ts";

export interface RunOptions {
  /** Of each phase. */
  readonly bursts: number;
  /** Gated ones before they count; more while the scheduler still learns. */
  readonly warmup: number;
  readonly say: (line: string) => void;
  /** CPU ms of each second, and what each query was learned to cost, through `say`. */
  readonly trace: boolean;
  readonly signal: AbortSignal;
}

const band = 0.1;
const learnMs = 240_000;

/** Its figures, and in one line why the band is not promised; null where it is. */
export async function measureRun(stand: Stand, options: RunOptions) {
  const { bursts, warmup, say, trace, signal } = options;
  const { meter } = stand;
  const lastingMs = bursts * burstEveryMs;

  say(`naive, ${lastingMs / 1_000} s`);
  const first = stand.start("observe", { prepare: true, cycle: bursts });
  const naiveAt = await first.origin;
  await fireUntil(first, naiveAt + lastingMs, signal);
  await first.stop();
  const windowEndsAt = await stand.windowEnd();
  const phaseOf = ({ reports }: DemoApplication, from: number): Phase => ({
    ...{ reports, meter, from, to: from + lastingMs, windowEndsAt },
  });
  const naive = phaseOf(first, naiveAt);

  // Bursts keep their numbers modulo the cycle, so that both phases ask for the same.
  const second = stand.start("enforce", { prepare: false, cycle: bursts });
  const gatedAt = await second.origin;
  let counted = warmup;
  say(`gated, ${(counted * burstEveryMs) / 1_000} s until the plan has settled`);
  await until(second, gatedAt + warmup * burstEveryMs - 1_000, signal);
  const learning = performance.now();
  while ((await stand.askScheduler())?.mode !== "steering") {
    if (performance.now() - learning > learnMs) throw new Error("the scheduler still learns after four minutes");
    await sleep(500, undefined, { signal });
    counted = Math.ceil((Date.now() - gatedAt) / burstEveryMs) + 2;
  }
  const from = gatedAt + counted * burstEveryMs;
  say(`gated, ${lastingMs / 1_000} s that count begin in ${Math.max(0, Math.round((from - Date.now()) / 1_000))} s`);
  await fireUntil(second, from + lastingMs, signal);
  const scheduler = await stand.askScheduler();
  await second.stop();
  const gated = phaseOf(second, from);

  const seconds = { naive: busySeconds(naive), gated: busySeconds(gated) };
  if (trace) {
    for (const one of [seconds.naive, seconds.gated]) say(one.map(Math.round).join(" "));
    for (const [id, { cpuMs, sd, durationMs }] of await stand.learned())
      say(`learned ${id}: ${cpuMs.toFixed(1)} ±${sd.toFixed(1)} CPU ms, lasts ${Math.round(durationMs)} ms`);
  }
  const countedReports = {
    naive: first.reports.filter(({ burst }) => burst < bursts),
    gated: second.reports.filter(({ burst }) => burst >= counted && burst < counted + bursts),
  };
  const delays = countedReports.gated.map(({ arrivedAt, begunAt }) => (begunAt - arrivedAt) / 1_000);
  const used = { naive: meter.between(naive.from, naive.to), gated: meter.between(gated.from, gated.to) };
  const each = lastingMs / 1_000;
  const promise = promiseOf(scheduler?.floor, band);
  const promised = scheduler?.floor ? promise.width : null;
  const figures = {
    inBandNaive: rounded(levelShare(seconds.naive) ?? 0, 3),
    inBandGated: rounded(levelShare(seconds.gated) ?? 0, 3),
    inBandGatedAnyPhase: rounded(inBandAnyPhase(gated), 3),
    secondsNaive: seconds.naive.length,
    secondsGated: seconds.gated.length,
    delayP50: rounded(quantile(delays, 0.5), 2),
    delayP95: rounded(quantile(delays, 0.95), 2),
    delayMax: rounded(Math.max(0, ...delays), 2),
    floor: scheduler?.floor ? rounded(scheduler.floor.width, 3) : null,
    promisedBand: promised,
    inBandGatedPromised: promised === null ? null : rounded(levelShare(seconds.gated, promised) ?? 0, 3),
    lateShare: scheduler?.lateShare ?? null,
    overheadP99Ms: first.ended ? rounded(first.ended.overheadP99Ms, 3) : null,
    cpuMsPerSecondNaive: Math.round(used.naive.cpuMs / each),
    cpuMsPerSecondGated: Math.round(used.gated.cpuMs / each),
    highestSecondNaive: Math.round(Math.max(0, ...seconds.naive)),
    highestSecondGated: Math.round(Math.max(0, ...seconds.gated)),
    ioKiBPerSecondGated: Math.round(used.gated.ioKiB / each),
    memoryMiBGated: Math.round(used.gated.memoryMiB),
    reportsNaive: countedReports.naive.length,
    reportsGated: countedReports.gated.length,
    failed: first.failures.length + second.failures.length,
    resultsEqual: sameResults(countedReports.naive, countedReports.gated, bursts),
    warmupSeconds: (counted * burstEveryMs) / 1_000,
  };
  return { figures, promise: promise.why };
}

/** Ends the bursts before `at` (Unix ms), and comes back once the meter has read beyond it. */
async function fireUntil(application: DemoApplication, at: number, signal: AbortSignal): Promise<void> {
  await until(application, at - 1_000, signal);
  application.endBursts();
  await until(application, at + 2 * meterEveryMs, signal);
}

async function until(application: DemoApplication, at: number, signal: AbortSignal): Promise<void> {
  while (Date.now() < at) {
    if (!application.running) throw new Error("the application ended early");
    await sleep(Math.max(0, Math.min(200, at - Date.now())), undefined, { signal });
  }
}
