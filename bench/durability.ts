/** `bench durability`: what it costs the simulated database that each tick is on disk before anyone sees it. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { systemClock } from "../platform/clock.ts";
import { silentLog } from "../platform/log.ts";
import { openOutbox } from "../platform/outbox.ts";
import { Engine } from "../sim-server/database/engine.ts";
import { Ledger } from "../sim-server/database/ledger.ts";
import { loadParameters } from "../sim-server/database/parameters.ts";
import { DatabaseServer } from "../sim-server/database/server.ts";
import { positive, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `Ticks of the simulated database with and without its outbox: in real time, and as fast as they go.

  bench durability [options]

  --scenario <name>  with its tick: default 100 ms, fast 20 ms (default)
  --seconds <n>      of real time, with and without (20)
  --ticks <n>        as fast as they go, with and without (2000)
  --json             one JSON line for machines
`;

interface Measured {
  /** In real time: ticks that ran, of those that were due. */
  readonly kept: number;
  /** As fast as they go, microseconds a tick. */
  readonly wall: number;
  readonly cpu: number;
  /** Milliseconds of each commit in real time. */
  readonly commits: readonly number[];
}

/** Called by `bench/main.ts`. */
export async function durability(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      seconds: { type: "string", default: "20" },
      ticks: { type: "string", default: "2000" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const seconds = positive("seconds", values.seconds);
  const ticks = wholeNumber("ticks", values.ticks, 10_000_000);
  const withOutbox = await measure(values.scenario, true, seconds, ticks);
  const without = await measure(values.scenario, false, seconds, ticks);
  const result = {
    scenario: values.scenario,
    kept: rounded(withOutbox.kept, 4),
    keptWithout: rounded(without.kept, 4),
    ratio: rounded(withOutbox.kept / without.kept, 4),
    commitMsP50: rounded(quantile(withOutbox.commits, 0.5), 2),
    commitMsP99: rounded(quantile(withOutbox.commits, 0.99), 2),
    wallMicrosPerTick: rounded(withOutbox.wall, 0),
    wallMicrosPerTickWithout: rounded(without.wall, 0),
    cpuMicrosPerTick: rounded(withOutbox.cpu, 0),
    cpuMicrosPerTickWithout: rounded(without.cpu, 0),
  };
  print(result, values.json);
}

/** One database, first in real time, then as fast as it goes. Nothing is sent: that is another process's time. */
async function measure(scenario: string, durable: boolean, seconds: number, ticks: number): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), "evenkeel-"));
  const [serverId, epoch, clock, log] = ["bench", randomUUID(), systemClock, silentLog];
  const outbox = durable
    ? openOutbox({ file: join(directory, "outbox.sqlite"), serverId, diskBoundBytes: 2 ** 40, clock, log })
    : undefined;
  const ledger = new Ledger(join(directory, "ledger.log"), epoch, serverId);
  const engine = new Engine(loadParameters(scenario));
  const commits: number[] = [];
  const timed = outbox && {
    append: (rows: Parameters<typeof outbox.append>[0]) => {
      const start = performance.now();
      const sequences = outbox.append(rows);
      commits.push(performance.now() - start);
      return sequences;
    },
  };
  const server = new DatabaseServer({ serverId, epoch, engine, clock, log, ledger, outbox: timed });
  try {
    const running = server.run(AbortSignal.timeout(seconds * 1_000));
    const start = clock.monotonic();
    await running;
    const due = Math.floor((clock.monotonic() - start) / engine.parameters.tickMs);
    const kept = (engine.tick + 1) / due;
    const inRealTime = commits.slice();
    const cpu = process.cpuUsage();
    const from = performance.now();
    for (let tick = 0; tick < ticks; tick++) server.runTick();
    const wall = performance.now() - from;
    const { user, system } = process.cpuUsage(cpu);
    return { kept, wall: (1_000 * wall) / ticks, cpu: (user + system) / ticks, commits: inRealTime };
  } finally {
    ledger.close();
    outbox?.close();
    await rm(directory, { recursive: true, force: true });
  }
}
