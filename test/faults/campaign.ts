/** Rounds of faults, each on a world of its own with a complete check at its end. */
import { appendFileSync, cpSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { auditServer, sizeOf } from "../../platform/audit.ts";
import { createCapture } from "../../platform/capture.ts";
import { systemClock } from "../../platform/clock.ts";
import { planRedrive, redriveLetter, withDeadLetters } from "../../platform/dead-letters.ts";
import { readLedger } from "../../platform/ledger-file.ts";
import { createLog, describeError } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { RangeSet } from "../../platform/range-set.ts";
import { readGaps, readTombstones, scanExecutions } from "../../platform/tables/executions.ts";
import { readReceipts } from "../../platform/tables/receipts.ts";
import { listIncarnations } from "../../platform/tables/servers.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import type { Fault } from "./faults.ts";
import { plant } from "./mutants.ts";
import { randomOf, scheduleLong, scheduleRound, scheduleSwift } from "./schedule.ts";
import { type Verdict, verify } from "./verify.ts";
import { World, type WorldOptions } from "./world.ts";

export interface CampaignOptions extends WorldOptions {
  readonly seed: number;
  readonly executions: number;
  readonly kills: number;
  /** Faults that strike alone: the next one waits until everything of before it is recorded. */
  readonly faultsPerRound: number;
  /** After those come kills and pauses in quick succession, about so many steps a round, with a long fault beside them. */
  readonly swiftPerRound?: number;
  /** Names of faults, to strike with these alone. */
  readonly only?: readonly string[];
  /** How long recovery, and draining, are waited for. */
  readonly patienceMs?: number;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** One fault and what came of it; times in seconds, null where they were not looked at. */
export interface Struck {
  readonly fault: string;
  readonly kills: number;
  /** From the end of its cause until an execution of after that is recorded; undefined where that did not come in time. */
  readonly recovery: number | undefined | null;
  /** Until everything of before that is recorded, too. */
  readonly drain: number | undefined | null;
  /** Why the fault itself did not come about as it should. */
  readonly failed?: string;
}

export interface RoundResult extends Verdict {
  readonly struck: readonly Struck[];
  /** What a deep audit says, by code that is not this campaign's. */
  readonly auditMissing: number;
}

const usualPatienceMs = 90_000;

/** Yields each round's result as it ends; stops when executions and kills are reached, or `signal` aborts. */
export async function* campaign(options: CampaignOptions): AsyncGenerator<RoundResult> {
  const world = await World.create(options);
  try {
    let executions = 0;
    let kills = 0;
    for (
      let round = 1;
      (executions < options.executions || kills < options.kills) && !options.signal?.aborted;
      round++
    ) {
      const left = { executions: options.executions - executions, kills: options.kills - kills };
      const result = await runRound(world, options, round, left);
      executions += result.executions;
      kills += result.struck.reduce((sum, { kills: count }) => sum + count, 0);
      yield result;
    }
  } finally {
    await world.close();
  }
}

async function runRound(
  world: World,
  options: CampaignOptions,
  round: number,
  left: { readonly executions: number; readonly kills: number },
): Promise<RoundResult> {
  const { seed, faultsPerRound, swiftPerRound = 0, only, patienceMs = usualPatienceMs, say, signal } = options;
  const random = randomOf(seed * 7_919 + round);
  await world.begin();
  const struck: Struck[] = [];
  const note = (result: Struck) => {
    struck.push(result);
    say(`  ${new Date().toISOString().slice(11, 19)} ${inWords(result)}`);
  };
  const enough = () => {
    const kills = struck.reduce((sum, one) => sum + one.kills, 0);
    return signal?.aborted || (kills >= left.kills && left.executions <= 0);
  };
  for (const fault of scheduleRound(seed, round, faultsPerRound, only)) {
    if (enough()) break;
    await sleep(200 + random() * 1_000);
    note(
      await strike(world, fault, random, { patienceMs, recovery: true, drain: round === 1 || fault.kind !== "light" }),
    );
  }
  if (swiftPerRound > 0 && !enough()) await strikeSwiftly(world, options, round, { random, note, enough });
  const verdict = await settle(world, say, patienceMs);
  return { ...verdict, struck };
}

/** Kills and pauses, each as soon as the one before is recovered from, while a long fault lasts and until there were enough. */
async function strikeSwiftly(
  world: World,
  { seed, swiftPerRound = 0, patienceMs = usualPatienceMs, signal }: CampaignOptions,
  round: number,
  { random, note, enough }: { random: () => number; note: (result: Struck) => void; enough: () => boolean },
): Promise<void> {
  const long = scheduleLong(round);
  let lasts = long !== undefined;
  const lasting = long && {
    ...long,
    strike: (...args: Parameters<Fault["strike"]>) =>
      long.strike(...args).finally(() => {
        lasts = false;
      }),
  };
  const judging = { patienceMs: 10 * patienceMs, recovery: true, drain: true };
  const ended = lasting && strike(world, lasting, random, judging);
  const steps = scheduleSwift(seed, round);
  for (let count = 0; (count < swiftPerRound || lasts) && !enough(); count++) {
    const [fault, other] = steps.next().value;
    const recovery = !(lasts && long?.blocks);
    if (!recovery && fault.atWrites) continue;
    await sleep(random() * 300);
    const beside = other && strike(world, other, random, { patienceMs, recovery: false, drain: false });
    note(await strike(world, fault, random, { patienceMs, recovery, drain: false }));
    if (beside) note(await beside);
  }
  // A campaign that is told to stop does not wait for minutes: the round ends without the rest of it.
  const stopped = new Promise<undefined>((resolve) => signal?.addEventListener("abort", () => resolve(undefined)));
  const result = signal?.aborted ? undefined : await Promise.race([ended, stopped]);
  if (result) note(result);
}

function inWords({ fault, recovery, drain, failed }: Struck): string {
  const seconds = (value: number | undefined) => (value === undefined ? "NOT in time" : `${value.toFixed(2)} s`);
  const times = [
    ...(failed === undefined ? [] : [`FAILED: ${failed}`]),
    ...(recovery === null ? [] : [`new executions recorded after ${seconds(recovery)}`]),
    ...(drain === null ? [] : [`all after ${seconds(drain)}`]),
  ];
  return `${fault}${times.length > 0 ? ": " : ""}${times.join(", ")}`;
}

/** What of a fault's consequences is waited for. */
interface Judging {
  readonly patienceMs: number;
  readonly recovery: boolean;
  readonly drain: boolean;
}

async function strike(world: World, fault: Fault, random: () => number, judging: Judging): Promise<Struck> {
  try {
    const kills = await fault.strike(world, random);
    return { fault: fault.name, kills, ...(await judge(world, judging)) };
  } catch (error) {
    return { fault: fault.name, kills: 0, recovery: null, drain: null, failed: describeError(error) };
  }
}

/** Waits until the loop works again, from the moment that a fault's cause is over. */
async function judge(
  world: World,
  { patienceMs, recovery, drain }: Judging,
): Promise<Pick<Struck, "recovery" | "drain">> {
  const over = performance.now();
  const since = () => (performance.now() - over) / 1_000;
  const after = await until(
    patienceMs,
    () => world.info(),
    (info) => info !== undefined,
  );
  if (!recovery) return { recovery: null, drain: null };
  if (!after) return { recovery: undefined, drain: drain ? undefined : null };
  const fresh = await until(
    patienceMs,
    () => recordedAfter(world, after),
    (recorded) => recorded,
  );
  const recovered = fresh ? since() : undefined;
  if (!drain) return { recovery: recovered, drain: null };
  const drained = await until(
    patienceMs,
    () => isDrained(world, after),
    (yes) => yes,
  );
  return { recovery: recovered, drain: drained ? since() : undefined };
}

/** Whether anything is recorded that the database executed after it had answered `after`. */
async function recordedAfter({ aws, tables, serverId }: World, after: ServerInfo): Promise<boolean> {
  const { incarnation, lastSequence } = after.outbox;
  const receipts = await readReceipts(aws.document, tables, serverId, incarnation, lastSequence + 1);
  return receipts.length > 0;
}

/** Whether all that had been executed by `after` is recorded, by the database's word and by the tables'. */
async function isDrained(world: World, after: ServerInfo): Promise<boolean> {
  const { incarnation, lastSequence } = after.outbox;
  const { aws, tables, serverId } = world;
  const now = (await world.info())?.outbox;
  if (!now || (now.incarnation === incarnation && now.recordedThrough < lastSequence && now.waiting > 1_000))
    return false;
  const [receipts, tombstones] = await Promise.all([
    readReceipts(aws.document, tables, serverId, incarnation, 1),
    readTombstones(aws.document, tables.executions, serverId, incarnation),
  ]);
  const settled = new RangeSet(receipts);
  for (const { sequence } of tombstones) settled.add({ first: sequence, last: sequence });
  return settled.missing({ first: 1, last: lastSequence }).length === 0;
}

/** Asks until the answer will do; undefined when it did not in time. */
async function until<T>(
  patienceMs: number,
  ask: () => Promise<T>,
  done: (answer: T) => boolean,
): Promise<T | undefined> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    // The cloud may be slow still.
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && done(answer)) return answer;
    await sleep(40);
  }
  return undefined;
}

/** Ends the round: all processes stop, what waits is sent, dead letters are redriven, and everything is compared. */
async function settle(
  world: World,
  say: (line: string) => void,
  patienceMs: number,
): Promise<Omit<RoundResult, "struck">> {
  const { aws, names, serverId, tables } = world;
  world.serverSide.heal();
  world.functionSide.heal();
  await world.end();
  const takeOut = plant(world.mutant === "forgets what waits" ? undefined : world.mutant, world.outboxFile);
  const log = createLog("campaign", (line) => appendFileSync(`${world.directory}/campaign.log`, `${line}\n`));
  const outbox = openOutbox({ file: world.outboxFile, serverId, diskBoundBytes: 2 ** 40, clock: systemClock, log });
  const stop = new AbortController();
  const capture = createCapture({ environment: world.environment, outbox, kind: "native", clock: systemClock, log });
  const running = capture.run("http://localhost:1", stop.signal);
  const sources = { sqs: aws.sqs, document: aws.document, names };
  const held = new Map([[serverId, outbox.held()]]);
  let letters = 0;
  const settled = async () => {
    const waiting = outbox.state().waiting;
    if (waiting > 0 && letters++ % 50 === 49) {
      await withDeadLetters(sources, 1_000, async (found) => {
        for (const letter of found) await redriveLetter(sources, letter, planRedrive(letter, held));
      });
    }
    return waiting;
  };
  // As long as it becomes less.
  let waiting = outbox.state().waiting;
  for (let before = Number.POSITIVE_INFINITY; waiting > 0 && waiting < before; ) {
    before = waiting;
    await until(patienceMs, settled, (left) => left === 0);
    waiting = outbox.state().waiting;
  }
  if (waiting > 0) say(`  ${waiting} rows wait, and no receipt comes`);
  const info = capture.info();
  stop.abort();
  await running;
  outbox.close();
  takeOut();

  const ledger = await Array.fromAsync(readLedger(world.ledgerFile));
  const recorded = await Array.fromAsync(scanExecutions(aws.document, tables.executions, serverId));
  let told = 0;
  for (const { incarnation } of await listIncarnations(aws.document, names.EVENKEEL_SERVERS_TABLE, serverId)) {
    const gaps = await readGaps(aws.document, tables.executions, serverId, incarnation);
    for (const { reason } of gaps) told += Number(/(\d+) rows/.exec(reason)?.[1] ?? 0);
  }
  const audit = await auditServer({
    document: aws.document,
    sqs: aws.sqs,
    names,
    server: {
      serverId,
      kind: "native",
      epoch: "",
      tick: 0,
      tickMs: 1,
      windowTicks: 1,
      defaultDelayTicks: 1,
      outbox: info,
      counted: { executions: 0, windows: 0, gaps: 0 },
    },
    ledgerFile: world.ledgerFile,
    deep: true,
    now: Date.now(),
  });
  const lacking = audit.incarnations.map(({ missing, rows }) => sizeOf(missing) + sizeOf(rows?.absent ?? []));
  const verdict = verify(ledger, recorded, told);
  if (verdict.lost + verdict.duplicated + verdict.wrong > 0) {
    const kept = `${tmpdir()}/evenkeel-faults-evidence-${Date.now()}`;
    cpSync(world.roundDirectory, kept, { recursive: true });
    writeFileSync(`${kept}/table.json`, JSON.stringify({ recorded, audit }));
    say(`  the evidence is kept in ${kept}`);
  }
  return { ...verdict, auditMissing: Math.max(0, lacking.reduce((a, b) => a + b, 0) - told) };
}
