/** `bench fleet`: scheduler processes that share simulated servers, in real time over real HTTP, on the embedded cloud. */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { startTemporaryCloud } from "../local/temporary-cloud.ts";
import { createDocument } from "../platform/aws.ts";
import { workloadEnvironment } from "../platform/environment.ts";
import { type SchedulerStatus, schedulerStatus } from "../platform/scheduler-status.ts";
import { registerServer } from "../platform/tables/servers.ts";
import { type SchedulerProcess, startScheduler, writeCosts } from "../test/support/scheduler.ts";
import type { Asked, Started, Steered } from "./fleet/servers.ts";
import { print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `Scheduler processes that share simulated servers, each server at the scenario's rate: real time, real HTTP, embedded cloud,
true costs. Processor time and memory are the schedulers' own, from /proc.

  bench fleet [options]

  --servers <n>     (20)
  --processes <n>   schedulers (1)
  --capacity <n>    servers that each takes at most (200)
  --warmup <s>      after all are steered (10)
  --seconds <s>     measured (30)
  --join            then one more process joins: the longest pause between placements that a server accepted
  --kill            then the first process is killed with SIGKILL: how long until other processes steer all its servers
  --scenario <name> (default)
  --json            one JSON line for machines
`;

const fleetStatus = z.object({
  registered: z.number(),
  withoutLease: z.number(),
  withoutRoom: z.array(z.string()),
  servers: z.array(z.object({ serverId: z.string().nullable(), mode: z.string(), reason: z.string().nullable() })),
});

export async function fleet(args: string[]): Promise<void> {
  const text = (fallback: string) => ({ type: "string", default: fallback }) as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      servers: text("20"),
      processes: text("1"),
      capacity: text("200"),
      warmup: text("10"),
      seconds: text("30"),
      scenario: text("default"),
      join: flag,
      kill: flag,
      json: flag,
      help: flag,
    },
  });
  if (values.help) return void process.stdout.write(help);
  const count = Math.max(1, wholeNumber("servers", values.servers, 1_000));
  const processes = Math.max(1, wholeNumber("processes", values.processes, 16));
  if (values.kill && processes + Number(values.join) < 2) throw new Error("--kill needs --processes 2, or --join");
  const seconds = Math.max(1, wholeNumber("seconds", values.seconds, 3_600));
  process.env.EVENKEEL_TOKEN ??= randomBytes(24).toString("hex");

  const say = (line: string) => void (values.json || process.stderr.write(`${line}\n`));
  say("starting the cloud");
  const cloud = await startTemporaryCloud();
  const servers = fork(new URL("./fleet/servers.ts", import.meta.url).pathname, [values.scenario, String(count)]);
  const schedulers: SchedulerProcess[] = [];
  const environment = { ...cloud.environment, ...workloadEnvironment.parse(cloud.environment) };
  const start = async () => {
    const scheduler = await startScheduler(environment, {
      EVENKEEL_SERVERS: "registered",
      EVENKEEL_CAPACITY: String(wholeNumber("capacity", values.capacity, 10_000)),
      EVENKEEL_SLOT: `process-${schedulers.length + 1}`,
      EVENKEEL_ADVERTISED_URL: "http://127.0.0.1:0",
    });
    schedulers.push(scheduler);
    return scheduler;
  };
  const ask = async ({ url }: SchedulerProcess) => fleetStatus.parse(await (await fetch(`${url}/servers`)).json());
  const steeredBy = async (of: readonly SchedulerProcess[]) => {
    const told = await Promise.all(of.map(ask));
    return told.reduce((sum, { servers }) => sum + servers.filter(({ mode }) => mode === "steering").length, 0);
  };
  /** Seconds until `done`, at most two minutes. */
  const until = async (done: () => Promise<boolean>, from = performance.now()) => {
    while (!(await done())) {
      if (performance.now() - from > 120_000) throw new Error("it took longer than two minutes");
      await sleep(100);
    }
    return rounded((performance.now() - from) / 1_000, 1);
  };

  try {
    const started = await message<Started>(servers);
    for (let index = 0; index < processes; index++) await start();
    await sleep(3_000);
    const idle = schedulers.map(({ child }) => usageOf(child));
    say(`registering ${count} servers and their costs`);
    const document = createDocument(environment);
    for (const { serverId, costs } of started.servers) await writeCosts(environment, serverId, costs);
    const registeredFrom = performance.now();
    for (const { serverId, url } of started.servers) {
      const registration = { serverId, url, kind: "native" as const, registeredAt: Date.now() };
      await registerServer(document, environment.EVENKEEL_SERVERS_TABLE, registration);
    }
    document.destroy();
    const secondsToSteerAll = await until(async () => (await steeredBy(schedulers)) === count, registeredFrom);
    say(`all are steered after ${secondsToSteerAll} s; measuring for ${seconds} s`);
    await sleep(1_000 * wholeNumber("warmup", values.warmup, 3_600));
    const [first] = schedulers;
    if (!first) throw new Error("no scheduler");
    const statusesOf = () => Promise.all(started.servers.map(({ serverId }) => statusOf(first, serverId)));
    const placedBefore = placed(await statusesOf());
    await askServers(servers, "reset");
    const before = schedulers.map(({ child }) => usageOf(child));
    const from = performance.now();
    await sleep(1_000 * seconds);
    const after = schedulers.map(({ child }) => usageOf(child));
    const took = (performance.now() - from) / 1_000;
    const pauses = (await askServers(servers, "tell")).map(({ longestPauseMs }) => longestPauseMs);
    const statuses = await statusesOf();
    const placedAfter = placed(statuses);
    const sum = (of: readonly { cpuMs: number; megabytes: number }[], key: "cpuMs" | "megabytes") =>
      of.reduce((total, usage) => total + usage[key], 0);
    const cpuMs = (sum(after, "cpuMs") - sum(before, "cpuMs")) / took / count;
    const result = {
      servers: count,
      processes,
      seconds,
      secondsToSteerAll,
      cpuMsPerServerSecond: rounded(cpuMs, 2),
      serversPerCore: Math.floor(1_000 / cpuMs),
      megabytesPerServer: rounded((sum(after, "megabytes") - sum(idle, "megabytes")) / count, 2),
      megabytesIdle: Math.round(sum(idle, "megabytes") / processes),
      lateShare: rounded((placedAfter.late - placedBefore.late) / (placedAfter.all - placedBefore.all), 5),
      inBandLastMinute: rounded(statuses.reduce((total, { inBand }) => total + (inBand.lastMinute ?? 0), 0) / count, 3),
      planMsP50: rounded(
        quantile(
          statuses.map(({ planMs }) => planMs?.p50 ?? 0),
          0.5,
        ),
        2,
      ),
      planMsP99Worst: rounded(Math.max(...statuses.map(({ planMs }) => planMs?.p99 ?? 0)), 1),
      longestPauseMs: Math.round(Math.max(...pauses)),
      ...(values.join && (await join())),
      ...(values.kill && (await kill())),
    };
    print(result, values.json);
  } finally {
    for (const { child } of schedulers) child.kill("SIGKILL");
    servers.disconnect();
    await cloud.stop();
  }

  async function join() {
    say("one more process joins");
    await askServers(servers, "reset");
    const joined = await start();
    // Each of the others may have an even share, rounded up.
    const share = Math.max(1, count - processes * Math.ceil(count / (processes + 1)));
    const joinSeconds = await until(async () => (await steeredBy([joined])) >= share);
    // Who had them before looks once more: then each server is in one list.
    await sleep(3_000);
    await until(async () => (await steeredBy(schedulers)) === count);
    const told = await askServers(servers, "tell");
    return {
      joinSeconds,
      joinedSteers: await steeredBy([joined]),
      joinLongestPauseMs: Math.round(Math.max(...told.map(({ longestPauseMs }) => longestPauseMs))),
    };
  }

  async function kill() {
    const [victim, ...others] = schedulers;
    if (!victim) throw new Error("no scheduler");
    const held = (await ask(victim)).servers.flatMap(({ serverId, mode }) =>
      mode === "steering" && serverId !== null ? [serverId] : [],
    );
    const fences = new Map((await askServers(servers, "reset")).map(({ serverId, fence }) => [serverId, fence]));
    say(`killing a process that steers ${held.length} servers`);
    const from = performance.now();
    victim.child.kill("SIGKILL");
    const taken = new Map<string, number>();
    await until(async () => {
      for (const { serverId, fence } of await askServers(servers, "tell")) {
        if (held.includes(serverId) && !taken.has(serverId) && fence > (fences.get(serverId) ?? 0))
          taken.set(serverId, (performance.now() - from) / 1_000);
      }
      return taken.size === held.length;
    });
    schedulers.splice(0, 1);
    const times = [...taken.values()];
    return {
      killedSteered: held.length,
      takeOverSecondsP50: rounded(quantile(times, 0.5), 1),
      takeOverSecondsMax: rounded(Math.max(0, ...times), 1),
      steeredAfterwards: await steeredBy(others),
    };
  }
}

/** Placements so far, and those of them that came late: within the ten minutes that a scheduler remembers. */
function placed(statuses: readonly SchedulerStatus[]): { all: number; late: number } {
  return statuses.reduce(
    ({ all, late }, { placements, lateShare }) => ({
      all: all + placements,
      late: late + placements * (lateShare ?? 0),
    }),
    { all: 0, late: 0 },
  );
}

async function statusOf({ url }: SchedulerProcess, serverId: string) {
  return schedulerStatus.parse(await (await fetch(`${url}/servers/${serverId}/status`)).json());
}

async function message<Message>(child: ChildProcess): Promise<Message> {
  const [told] = await once(child, "message");
  return told;
}

async function askServers(servers: ChildProcess, what: Asked["do"]): Promise<readonly Steered[]> {
  const told = message<readonly Steered[]>(servers);
  servers.send({ do: what } satisfies Asked);
  return told;
}

const ticksPerSecond = 100;

/** Processor time so far and resident memory of a process, from /proc: proc(5). */
function usageOf({ pid }: ChildProcess): { cpuMs: number; megabytes: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system, pages] = [11, 12, 21].map((index) => Number(fields[index]));
  return {
    cpuMs: (((user ?? 0) + (system ?? 0)) * 1_000) / ticksPerSecond,
    megabytes: ((pages ?? 0) * 4_096) / 1e6,
  };
}
