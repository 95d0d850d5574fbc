/** Pieces of work a second and processor time, without the gate and through it, in turns. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { quantile } from "../smoothing/options.ts";

/** A turn lasts so long; what it leaves to do, such as a last batch, is done so long after, and counts for its processor time. */
export const turnMs = 600;
const afterMs = 300;

/** What a connection does again and again: a statement, or a transaction. */
export type Load = (pool: Pool) => Promise<unknown>;

interface Turn {
  readonly perSecond: number;
  /** Of this process, each piece of work. */
  readonly cpuUs: number;
  readonly postgresUs: number;
  readonly gatekeeperUs: number;
}

export interface ThroughputOptions {
  readonly pool: Pool;
  readonly gated: Pool;
  readonly clients: number;
  readonly load: Load;
  readonly ms: number;
  /** Their processor time so far. */
  readonly gatekeeperUs: () => number;
  readonly postgresUs: () => number;
}

/** Turns without and with the gate, neither always first; medians over pairs of neighbouring turns. */
export async function throughputOf({ pool, gated, clients, load, ms, gatekeeperUs, postgresUs }: ThroughputOptions) {
  const turn = async (through: Pool): Promise<Turn> => {
    let done = 0;
    let over = false;
    const client = async () => {
      while (!over) {
        await load(through);
        done++;
      }
    };
    const before = {
      at: performance.now(),
      cpu: process.cpuUsage(),
      postgres: postgresUs(),
      gatekeeper: gatekeeperUs(),
    };
    const running = Promise.all(Array.from({ length: clients }, client));
    await Promise.race([running, sleep(turnMs)]);
    over = true;
    // All that was begun: nothing counts in part.
    await running;
    const perSecond = (done * 1_000) / (performance.now() - before.at);
    await sleep(afterMs);
    const { user, system } = process.cpuUsage(before.cpu);
    return {
      perSecond,
      cpuUs: (user + system) / done,
      postgresUs: (postgresUs() - before.postgres) / done,
      gatekeeperUs: (gatekeeperUs() - before.gatekeeper) / done,
    };
  };
  await turn(pool);
  await turn(gated);
  const pairs: { without: Turn; through: Turn }[] = [];
  const until = performance.now() + ms;
  do {
    if (pairs.length % 2 === 0) pairs.push({ without: await turn(pool), through: await turn(gated) });
    else {
      const through = await turn(gated);
      pairs.push({ without: await turn(pool), through });
    }
  } while (performance.now() < until);
  const median = (of: (pair: { without: Turn; through: Turn }) => number) => quantile(pairs.map(of), 0.5);
  const work = ({ cpuUs, postgresUs }: Turn) => cpuUs + postgresUs;
  return {
    cpu: median(({ without, through }) => work(without) / work(through)),
    cpuAll: median(({ without, through }) => work(without) / (work(through) + through.gatekeeperUs)),
    ratio: median(({ without, through }) => through.perSecond / without.perSecond),
    ungated: median(({ without }) => without.perSecond),
    ungatedCpuUs: median(({ without }) => without.cpuUs),
    gateCpuUs: median(({ without, through }) => through.cpuUs - without.cpuUs),
    gatekeeperCpuUs: median(({ through }) => through.gatekeeperUs),
  };
}
