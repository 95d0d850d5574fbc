/** Rounds of faults, each on a world of its own with a complete check at its end. */
import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../platform/log.ts";
import { RangeSet } from "../../platform/range-set.ts";
import { readTombstones } from "../../platform/tables/executions.ts";
import { readReceipts, receiptReach } from "../../platform/tables/receipts.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import type { Fault } from "./faults.ts";
import { randomOf, scheduleLong, scheduleRound, scheduleSwift } from "./schedule.ts";
import { type Settled, settle, until } from "./settle.ts";
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

export interface RoundResult extends Settled {
  readonly struck: readonly Struck[];
}

const usualPatienceMs = 90_000;
/** A round has about so many executions at most: comparing them takes the emulator time that grows with their square. */
const roundExecutions = 200_000;
/** Of the ledger, and of an execution in it. */
const entryBytes = 43;

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
  const more = () => statSync(world.ledgerFile).size < roundExecutions * entryBytes;
  for (let count = 0; ((count < swiftPerRound && more()) || lasts) && !enough(); count++) {
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
async function recordedAfter({ aws, tables, serverId }: World, { outbox }: ServerInfo): Promise<boolean> {
  const { incarnation, lastSequence } = outbox;
  const after = { first: lastSequence + 1, last: lastSequence + receiptReach };
  const receipts = await readReceipts(aws.document, tables, serverId, incarnation, after);
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
    readReceipts(aws.document, tables, serverId, incarnation, { first: 1, last: lastSequence }),
    readTombstones(aws.document, tables.executions, serverId, incarnation),
  ]);
  const settled = new RangeSet(receipts);
  for (const { sequence } of tombstones) settled.add({ first: sequence, last: sequence });
  return settled.missing({ first: 1, last: lastSequence }).length === 0;
}
