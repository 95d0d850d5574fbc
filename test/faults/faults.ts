/**
 * The table of faults. Each entry strikes once and returns when its cause is over: what comes then is recovery. To add a
 * fault, add an entry.
 */
import { createHash, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Control } from "./control.ts";
import { damageFile, tearFile } from "./damage.ts";
import { signal } from "./processes.ts";
import type { Conduct, FaultProxy, Request } from "./proxy.ts";
import { restoreTables } from "./restore.ts";
import { limitFileSize, reconfigureFunctions, runRival, sendRaw } from "./strikes.ts";
import type { World } from "./world.ts";

export interface Fault {
  readonly name: string;
  /**
   * `light`: hardly costs time. `heavy`: everything is sent again afterwards. `loss`: may take rows with it, which must then
   * be told. `long`: takes minutes, while others strike.
   */
  readonly kind: "light" | "heavy" | "loss" | "long";
  /**
   * A kill or a pause, fit to come in quick succession: of what `records`, of what `steers` and may die at the same time as
   * one that records, or one that comes `alone`, since it starts other processes or takes long.
   */
  readonly swift?: "records" | "steers" | "alone";
  /** Nothing is recorded while it lasts... */
  readonly blocks?: true;
  /** ...and this waits until something is. */
  readonly atWrites?: true;
  /** @returns how many processes it killed or paused */
  strike(world: World, random: () => number): Promise<number>;
}

const between = (random: () => number, from: number, to: number) => from + random() * (to - from);

function kill(world: World, name: "database" | "scheduler"): number {
  return signal(world.pidOf(name), "SIGKILL") ? 1 : 0;
}

function killFunctions(world: World): number {
  return world.functionProcesses().filter((pid) => signal(pid, "SIGKILL")).length;
}

async function pause(pids: readonly number[], ms: number): Promise<number> {
  const paused = pids.filter((pid) => signal(pid, "SIGSTOP"));
  await sleep(ms);
  for (const pid of paused) signal(pid, "SIGCONT");
  return paused.length;
}

/** Kills the database at an exact place of its own code. */
function killedAt(at: NonNullable<Control["death"]>["at"]): Fault["strike"] {
  return async (world, random) => {
    const pid = world.pidOf("database");
    if (!signal(pid, "SIGCONT")) return 0;
    world.control({ death: { at, id: Math.floor(random() * 2 ** 32) } });
    const deadline = performance.now() + 5_000;
    while (signal(pid, "SIGCONT")) {
      if (performance.now() > deadline) return 0;
      await sleep(5);
    }
    return 1;
  };
}

/** Lets the next request that matches have it, once; gives up after a while in which none came. */
async function atNext(proxy: FaultProxy, matches: (request: Request) => boolean, have: (request: Request) => Conduct) {
  const struck = Promise.withResolvers<void>();
  let done = false;
  const end = proxy.strike((request) => {
    if (done || !matches(request)) return { do: "pass" };
    done = true;
    const conduct = have(request);
    setImmediate(struck.resolve);
    return conduct;
  });
  await Promise.race([struck.promise, sleep(8_000)]);
  await sleep(20);
  end();
}

/** Does the same to each request that matches, with a probability, for a while. */
async function forAWhile(
  proxies: readonly FaultProxy[],
  ms: number,
  random: () => number,
  conduct: (request: Request) => Conduct | undefined,
  share = 0.8,
): Promise<void> {
  const ends = proxies.map((proxy) => {
    const end = proxy.strike((request) => (random() < share ? conduct(request) : undefined) ?? { do: "pass" });
    // Also what is under way.
    proxy.cutAll();
    return end;
  });
  await sleep(ms);
  for (const end of ends) end();
}

const isSend = ({ operation }: Request) => operation === "SendMessageBatch";
const isWrite = ({ operation }: Request) => operation === "BatchWriteItem";
const isReceipt = (request: Request) => isWrite(request) && request.body.includes("#receipts");
const isDynamo = ({ service }: Request) => service === "dynamodb";

function refusal(status: number, type: string): Conduct {
  const body = JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: "of a fault campaign" });
  return { do: "answer", status, body };
}

function bodiesOf({ body }: Request): string[] {
  return JSON.parse(body).Entries.map(({ MessageBody }: { MessageBody: string }) => MessageBody);
}

/** What SQS says when it has taken a batch. */
function taken({ body }: Request): Conduct {
  const { Entries } = JSON.parse(body);
  const Successful = Entries.map(({ Id, MessageBody }: { Id: string; MessageBody: string }) => ({
    Id,
    MessageId: randomUUID(),
    MD5OfMessageBody: createHash("md5").update(MessageBody).digest("hex"),
    SequenceNumber: "1",
  }));
  return { do: "answer", status: 200, body: JSON.stringify({ Successful, Failed: [] }) };
}

const away =
  (seconds: number): Fault["strike"] =>
  async ({ serverSide }, random) => {
    await forAWhile(
      [serverSide],
      seconds * 1_000,
      random,
      ({ service }) => (service === "sqs" ? { do: "cut", when: "before" } : undefined),
      1,
    );
    return 0;
  };

const both = ({ serverSide, functionSide }: World) => [serverSide, functionSide];

/** A fault of the network or of the table, on all requests that match, for one to three seconds. */
const disturbed =
  (
    proxies: (world: World) => readonly FaultProxy[],
    conduct: (request: Request) => Conduct | undefined,
    share = 0.8,
  ): Fault["strike"] =>
  async (world, random) => {
    await forAWhile(proxies(world), between(random, 1_000, 3_000), random, conduct, share);
    return 0;
  };

/** Stops the database, damages its outbox, and lets it start again. */
const damaged =
  (damage: (file: string, random: () => number) => void): Fault["strike"] =>
  async (world, random) => {
    const resume = world.pauseSupervisor();
    const pid = world.pidOf("database");
    const killed = kill(world, "database");
    // A zombie until its parent goes on: it holds no file any more.
    await sleep(300);
    damage(world.outboxFile, random);
    resume();
    void pid;
    return killed;
  };

export const faults: readonly Fault[] = [
  {
    name: "database killed",
    kind: "light",
    swift: "records",
    strike: async (world) => kill(world, "database"),
  },
  { name: "database killed in mid-tick", kind: "light", swift: "records", strike: killedAt("before transaction") },
  { name: "database killed in mid-transaction", kind: "light", swift: "records", strike: killedAt("before commit") },
  {
    name: "database killed between outbox and ledger",
    kind: "light",
    swift: "records",
    strike: killedAt("after commit"),
  },
  {
    name: "sender killed before its message arrives",
    kind: "light",
    swift: "records",
    async strike(world) {
      let killed = 0;
      await atNext(world.serverSide, isSend, () => {
        killed = kill(world, "database");
        return { do: "cut", when: "before" };
      });
      return killed;
    },
  },
  {
    name: "sender killed before it learns that its message arrived",
    kind: "light",
    swift: "records",
    async strike(world) {
      let killed = 0;
      await atNext(world.serverSide, isSend, () => {
        killed = kill(world, "database");
        return { do: "cut", when: "after" };
      });
      return killed;
    },
  },
  {
    name: "database paused",
    kind: "light",
    swift: "records",
    strike: (world, random) => pause([world.pidOf("database")], between(random, 500, 3_000)),
  },
  { name: "scheduler killed", kind: "light", swift: "steers", strike: async (world) => kill(world, "scheduler") },
  {
    name: "scheduler paused beyond its lease",
    kind: "light",
    swift: "alone",
    async strike(world) {
      const rival = runRival(world.planOf("scheduler"), { EVENKEEL_SLOT: "scheduler-2", STATUS_PORT: "0" });
      const paused = await pause([world.pidOf("scheduler")], 6_000);
      rival.kill("SIGKILL");
      return paused + 1;
    },
  },
  {
    name: "function killed in mid-batch",
    kind: "light",
    swift: "records",
    atWrites: true,
    async strike(world) {
      let killed = 0;
      await atNext(world.functionSide, isWrite, () => {
        killed = killFunctions(world);
        return { do: "cut", when: "before" };
      });
      return killed;
    },
  },
  {
    name: "function killed after the write, before its answer",
    kind: "light",
    swift: "records",
    atWrites: true,
    async strike(world) {
      let killed = 0;
      await atNext(world.functionSide, isReceipt, () => {
        // The receipt is written, and nobody learns so.
        setTimeout(() => {
          killed = killFunctions(world);
        }, 15);
        return { do: "swallow answer" };
      });
      await sleep(50);
      return killed;
    },
  },
  {
    name: "function paused",
    kind: "light",
    swift: "records",
    strike: (world, random) => pause(world.functionProcesses(), between(random, 500, 3_000)),
  },
  {
    name: "cloud paused",
    kind: "light",
    swift: "records",
    strike: (world, random) => pause([world.cloudProcess()], between(random, 500, 3_000)),
  },
  {
    name: "cloud killed with all its state",
    kind: "heavy",
    async strike(world) {
      const functions = world.functionProcesses().length;
      await world.loseCloud();
      return 1 + functions;
    },
  },
  {
    name: "supervisor killed",
    kind: "light",
    swift: "alone",
    async strike(world) {
      await world.killSupervisor();
      // As a person does who starts it again: it ends what was left behind.
      await world.startSupervisor();
      return 1;
    },
  },
  { name: "queue away for 5 s", kind: "light", strike: away(5) },
  { name: "queue away for 10 min", kind: "long", blocks: true, strike: away(600) },
  {
    name: "messages held back for 5 min",
    kind: "long",
    // The sender is told that the queue has them; they arrive after all others, the last one first.
    async strike(world) {
      const held: string[] = [];
      for (let count = 5; count > 0; count--) {
        await atNext(world.serverSide, isSend, (request) => {
          held.push(...bodiesOf(request));
          return taken(request);
        });
      }
      await sleep(305_000);
      for (const body of held.reverse()) await sendRaw.send(world, body);
      return 0;
    },
  },
  {
    name: "queue emptied",
    kind: "light",
    async strike(world) {
      await sendRaw.purge(world);
      return 0;
    },
  },
  {
    name: "messages lost",
    kind: "light",
    // The queue says that it has taken them.
    async strike(world) {
      for (let count = 2; count > 0; count--) await atNext(world.serverSide, isSend, taken);
      return 0;
    },
  },
  {
    name: "table throttled",
    kind: "light",
    strike: disturbed(both, (request) =>
      isDynamo(request) ? refusal(400, "ProvisionedThroughputExceededException") : undefined,
    ),
  },
  {
    name: "table slow",
    kind: "light",
    strike: disturbed(both, (request) => (isDynamo(request) ? { do: "delay", ms: 400 } : undefined)),
  },
  {
    name: "table refusing",
    kind: "light",
    strike: disturbed(both, (request) => (isDynamo(request) ? refusal(500, "InternalServerError") : undefined)),
  },
  {
    name: "sends time out after success",
    kind: "light",
    strike: disturbed(
      ({ serverSide }) => [serverSide],
      (request) => (isSend(request) ? { do: "swallow answer" } : undefined),
    ),
  },
  {
    name: "writes time out after success",
    kind: "light",
    strike: disturbed(
      ({ functionSide }) => [functionSide],
      (request) => (isWrite(request) ? { do: "swallow answer" } : undefined),
    ),
  },
  {
    name: "connections cut before",
    kind: "light",
    strike: disturbed(both, () => ({ do: "cut", when: "before" }), 0.5),
  },
  { name: "connections cut after", kind: "light", strike: disturbed(both, () => ({ do: "cut", when: "after" }), 0.5) },
  { name: "connections half-closed", kind: "light", strike: disturbed(both, () => ({ do: "half-close" }), 0.5) },
  { name: "answers corrupted", kind: "light", strike: disturbed(both, () => ({ do: "corrupt" }), 0.5) },
  { name: "everything delayed", kind: "light", strike: disturbed(both, () => ({ do: "delay", ms: 250 }), 1) },
  {
    name: "messages duplicated and out of order",
    kind: "light",
    async strike(world, random) {
      await sendRaw.again(world, random, 20);
      return 0;
    },
  },
  {
    name: "poison",
    kind: "light",
    async strike(world, random) {
      await sendRaw.poison(world, random);
      return 0;
    },
  },
  {
    name: "disk full",
    kind: "light",
    async strike(world, random) {
      const pid = world.pidOf("database");
      limitFileSize(pid, "4096");
      await sleep(between(random, 1_000, 3_000));
      limitFileSize(pid, "unlimited");
      return 0;
    },
  },
  {
    name: "clock set forward by two hours, and back",
    kind: "light",
    async strike(world) {
      world.control({ clockOffsetMs: 7_200_000 });
      await sleep(1_500);
      world.control({ clockOffsetMs: 0 });
      return 0;
    },
  },
  {
    name: "clock set back by a day, and forth",
    kind: "light",
    async strike(world) {
      world.control({ clockOffsetMs: -86_400_000 });
      await sleep(1_500);
      world.control({ clockOffsetMs: 0 });
      return 0;
    },
  },
  {
    name: "a second sender on the outbox",
    kind: "light",
    async strike(world) {
      const rival = runRival(world.planOf("database"), { PORT: "0" });
      const { code, output } = await rival.ended(30_000);
      if (code === 0 || code === null || !output.includes("belongs to another running process")) {
        throw new Error(`a second process got hold of the outbox (${code}): ${output.slice(-300)}`);
      }
      return 0;
    },
  },
  {
    name: "tables restored to an earlier point",
    kind: "heavy",
    strike: (world) => restoreTables(world, [world.tables.executions, world.tables.windows]),
  },
  {
    name: "executions alone restored",
    kind: "heavy",
    strike: (world) => restoreTables(world, [world.tables.executions]),
  },
  {
    name: "resource-windows alone restored",
    kind: "heavy",
    strike: (world) => restoreTables(world, [world.tables.windows]),
  },
  {
    name: "upgrade with messages in flight",
    kind: "light",
    async strike(world) {
      await reconfigureFunctions(world);
      signal(world.pidOf("database"), "SIGTERM");
      return 0;
    },
  },
  { name: "outbox file damaged", kind: "loss", strike: damaged(damageFile) },
  { name: "outbox file torn", kind: "loss", strike: damaged(tearFile) },
];
