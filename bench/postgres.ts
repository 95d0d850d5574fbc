/** `bench postgres`: a real PostgreSQL under bursts of reports, naive against gated, in one run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { levelShare } from "../core/workload/measures.ts";
import { burstEveryMs, type LoadName, loadNames } from "../demo/postgres/reports.ts";
import { DemoApplication, type ReportLine } from "../local/demo-application.ts";
import { defaultDirectory } from "../local/paths.ts";
import { freePort } from "../local/ports.ts";
import { createPostgresSession, type Session } from "../local/session.ts";
import { Meter } from "./postgres/meter.ts";
import { choice, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `A real PostgreSQL 18 with data of the TPC-H kind: reports fire in bursts each 12 s over a background of short
transactions, first with nothing delayed (naive), then gated, with costs learned in the run; a second is in band when its
CPU lies within 10% of the mean of all seconds of its phase in which reports waited or ran. Seconds are the
gatekeeper's windows; inBandGatedAnyPhase is the mean over seconds that begin at any tenth of them.

  bench postgres [options]

  --load heavy|light   about 900 CPU ms/s, longest query 240 ms; 165 ms/s, longest 55 ms (heavy)
  --seconds <n>        of each phase, rounded up to whole bursts (60)
  --warmup <n>         at least so many gated seconds before they count (72)
  --trace              CPU ms of each second on standard error
  --json               one JSON line for machines
`;

interface Phase {
  /** CPU ms of each second in which reports waited or ran. */
  readonly seconds: readonly number[];
  readonly inBand: number;
  /** The same for seconds that begin at any tenth of the gatekeeper's windows, on average. */
  readonly inBandAnyPhase: number;
  readonly cpuMs: number;
  readonly ioKiB: number;
  readonly memoryMiB: number;
  readonly reports: readonly ReportLine[];
}

export async function postgres(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      load: { type: "string", default: "heavy" },
      seconds: { type: "string", default: "60" },
      warmup: { type: "string", default: "72" },
      trace: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const load = choice("load", values.load, loadNames);
  const bursts = Math.ceil(wholeNumber("seconds", values.seconds, 3_600) / (burstEveryMs / 1_000));
  const warmup = Math.ceil(wholeNumber("warmup", values.warmup, 3_600) / (burstEveryMs / 1_000));
  const result = await measurePostgres(load, { bursts, warmup, trace: values.trace });
  print(result, values.json);
  if (result.failed > 0 || !result.resultsEqual) process.exitCode = 1;
}

export async function measurePostgres(
  load: LoadName,
  { bursts, warmup, trace }: { bursts: number; warmup: number; trace: boolean },
) {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, interrupt);
  const directory = await mkdtemp(join(tmpdir(), "evenkeel-bench-"));
  const gatekeeperPort = await freePort();
  const session = createPostgresSession({
    directory,
    cloudPort: await freePort(),
    schedulerPort: await freePort(),
    consolePort: 0,
    latencyP95Seconds: 12,
    // Its data takes longer to make than the bench, and is the same every time.
    postgres: { gatekeeperPort, directory: join(defaultDirectory, "bench") },
    onTrouble: (line) => process.stderr.write(`${line}\n`),
    signal: stop.signal,
  });
  let meter: Meter | undefined;
  let application: DemoApplication | undefined;
  try {
    for (const step of session.steps) if (!step.title.includes("console")) await step.run(() => {});
    const server = session.postgres();
    if (!server) throw new Error("PostgreSQL is not up");
    meter = new Meter(server.pid);
    const start = (mode: "observe" | "enforce", prepare: boolean) =>
      new DemoApplication({
        ...{ load, mode, prepare, cycle: bursts },
        environment: session.environment(),
        databaseUrl: server.tpchUrl,
        gatekeeperUrl: session.serverUrl,
      });

    application = start("observe", true);
    const naiveAt = await application.origin;
    await until(application, naiveAt + bursts * burstEveryMs, stop.signal);
    await application.stop();
    const naiveApplication = application;
    const windowEndsAt = await windowEnd(session.serverUrl, session.environment().EVENKEEL_TOKEN);
    const naive = judge(naiveApplication, meter, naiveAt, bursts, 0, windowEndsAt);

    // Bursts keep their numbers modulo the cycle, so that both phases ask for the same.
    application = start("enforce", false);
    const gatedAt = await application.origin;
    let counted = warmup;
    await until(application, gatedAt + warmup * burstEveryMs - 1_000, stop.signal);
    const learning = performance.now();
    while ((await askScheduler(session))?.mode !== "steering") {
      if (performance.now() - learning > 240_000) throw new Error("the scheduler still learns after four minutes");
      await sleep(500, undefined, { signal: stop.signal });
      counted = Math.ceil((Date.now() - gatedAt) / burstEveryMs) + 2;
    }
    const from = gatedAt + counted * burstEveryMs;
    await until(application, from + bursts * burstEveryMs, stop.signal);
    const scheduler = await askScheduler(session);
    await application.stop();
    const gated = judge(application, meter, gatedAt, bursts, counted, windowEndsAt);
    if (trace) for (const one of [naive, gated]) process.stderr.write(`${one.seconds.map(Math.round).join(" ")}\n`);

    const delays = gated.reports.map(({ arrivedAt, begunAt }) => (begunAt - arrivedAt) / 1_000);
    return {
      load,
      seconds: (bursts * burstEveryMs) / 1_000,
      inBandNaive: rounded(naive.inBand, 3),
      inBandGated: rounded(gated.inBand, 3),
      inBandGatedAnyPhase: rounded(gated.inBandAnyPhase, 3),
      secondsNaive: naive.seconds.length,
      secondsGated: gated.seconds.length,
      delayP50: rounded(quantile(delays, 0.5), 2),
      delayP95: rounded(quantile(delays, 0.95), 2),
      delayMax: rounded(Math.max(0, ...delays), 2),
      floor: scheduler?.floor ? rounded(scheduler.floor.width, 3) : null,
      lateShare: scheduler?.lateShare ?? null,
      overheadP99Ms: rounded(naiveApplication.ended?.overheadP99Ms ?? Number.NaN, 3),
      cpuMsPerSecondNaive: Math.round(naive.cpuMs / (bursts * 12)),
      cpuMsPerSecondGated: Math.round(gated.cpuMs / (bursts * 12)),
      ioKiBPerSecondGated: Math.round(gated.ioKiB / (bursts * 12)),
      memoryMiBGated: Math.round(gated.memoryMiB),
      reportsNaive: naive.reports.length,
      reportsGated: gated.reports.length,
      failed: naiveApplication.failures.length + application.failures.length,
      resultsEqual: sameResults(naive.reports, gated.reports, bursts),
      warmupSeconds: counted * 12,
    };
  } finally {
    if (application?.running) await application.stop();
    await meter?.stop();
    await session.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function until(application: DemoApplication, at: number, signal: AbortSignal): Promise<void> {
  while (Date.now() < at) {
    if (!application.running) throw new Error("the application ended early");
    await sleep(Math.max(0, Math.min(200, at - Date.now())), undefined, { signal });
  }
}

/** What is read of the scheduler's status. `floor.width`: half the narrowest band that can be kept, relative. */
const status = z.object({
  mode: z.string(),
  lateShare: z.number().nullable(),
  floor: z.object({ width: z.number() }).optional(),
});

async function askScheduler(session: Session): Promise<z.infer<typeof status> | undefined> {
  try {
    const response = await fetch(`${session.schedulerUrl}/status`, { signal: AbortSignal.timeout(2_000) });
    return status.parse(await response.json());
  } catch {
    return undefined;
  }
}

/** When one of the gatekeeper's windows ended, Unix ms: what it levels are these. */
async function windowEnd(serverUrl: string, token = ""): Promise<number> {
  const response = await fetch(`${serverUrl}/resources`, { headers: { Authorization: `Bearer ${token}` } });
  return z.object({ timestamp: z.number() }).parse(await response.json()).timestamp;
}

function judge(
  application: DemoApplication,
  meter: Meter,
  origin: number,
  bursts: number,
  firstBurst: number,
  windowEndsAt: number,
): Phase {
  const from = origin + firstBurst * burstEveryMs;
  const to = from + bursts * burstEveryMs;
  /** CPU ms of the seconds in which reports waited or ran, `shift` ms off the gatekeeper's windows. */
  const secondsOf = (shift: number) => {
    const seconds: number[] = [];
    const first = from + ((((windowEndsAt + shift - from) % 1_000) + 1_000) % 1_000);
    for (let at = first; at + 1_000 <= to; at += 1_000) {
      const active = application.reports.some(({ arrivedAt, endedAt }) => arrivedAt < at + 1_000 && endedAt > at);
      if (active) seconds.push(meter.between(at, at + 1_000).cpuMs);
    }
    return seconds;
  };
  const shares = Array.from({ length: 10 }, (_, tenth) => levelShare(secondsOf(tenth * 100)) ?? 0);
  return {
    ...meter.between(from, to),
    seconds: secondsOf(0),
    inBand: shares[0] ?? 0,
    inBandAnyPhase: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    reports: application.reports.filter(({ burst }) => burst >= firstBurst && burst < firstBurst + bursts),
  };
}

/** Whether each report gave the same rows in both phases. */
function sameResults(naive: readonly ReportLine[], gated: readonly ReportLine[], cycle: number): boolean {
  const keyed = (reports: readonly ReportLine[]) =>
    reports.map(({ burst, index, name, checksum }) => `${burst % cycle} ${index} ${name} ${checksum}`).sort();
  return JSON.stringify(keyed(naive)) === JSON.stringify(keyed(gated));
}
