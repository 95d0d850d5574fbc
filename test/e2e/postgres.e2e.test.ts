import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import pg from "pg";
import { createGate, type Gate } from "../../gate/src/gate.ts";
import { freePort } from "../../local/ports.ts";
import { readRun } from "../../local/run-record.ts";
import { createPostgresSession, type Session } from "../../local/session.ts";
import { writeCosts } from "../support/scheduler.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const deferByMs = 3_000;
/** A timer of a busy machine may come late. */
const lateMs = 1_000;
const burst = 25;
const everyMs = 2_500;
const fewestHeld = 10;
const mostRounds = 30;

interface Execution {
  readonly id: number;
  readonly waitedMs: number;
}

/** What is wrong with how statements ran: `asked` ids against the rows that they left in the database. */
function wrongs(asked: readonly Execution[], ran: readonly number[]): string[] {
  const times = new Map<number, number>();
  for (const id of ran) times.set(id, (times.get(id) ?? 0) + 1);
  return asked.flatMap(({ id, waitedMs }) => [
    ...(times.has(id) ? [] : [`${id} is lost`]),
    ...((times.get(id) ?? 0) > 1 ? [`${id} ran twice`] : []),
    ...(waitedMs > deferByMs + lateMs ? [`${id} waited for ${Math.round(waitedMs)} ms`] : []),
  ]);
}

describe("work before a real PostgreSQL", () => {
  const directory = temporaryDirectory();
  const stop = new AbortController();
  let session: Session;
  let gate: Gate;
  let pool: pg.Pool;

  beforeAll(async () => {
    session = createPostgresSession({
      directory: directory.path,
      cloudPort: await freePort(),
      schedulerPort: await freePort(),
      consolePort: 0,
      postgres: { gatekeeperPort: await freePort(), directory: join(directory.path, "database") },
      onTrouble: () => {},
      signal: stop.signal,
    });
    for (const step of session.steps) if (!/console|Load/.test(step.title)) await step.run(() => {});
    pool = new pg.Pool({ connectionString: session.postgres()?.url(), max: 10 });
    await pool.query("CREATE TABLE ran (id int)");
    // As it would have been learned, so that the scheduler holds from the start.
    const environment = session.environment();
    const { EVENKEEL_COSTS_TABLE = "", EVENKEEL_TOKEN: token } = environment;
    const cost = { mean: [50, 0, 5], sd: [5, 0, 1], seen: 100, lastSeenAt: Date.now(), durationMs: 60 } as const;
    await writeCosts({ ...environment, EVENKEEL_COSTS_TABLE }, session.serverId, [["work", cost]]);
    gate = createGate({
      mode: "enforce",
      url: session.serverUrl,
      token,
      database: "d",
      role: "r",
      onWarning: () => {},
    });
  }, 240_000);

  afterAll(async () => {
    await gate?.close();
    await pool?.end();
    await session?.stop();
    directory[Symbol.dispose]();
  }, 60_000);

  it("runs once, and never waits longer than it may, while scheduler, sampler, cloud and gatekeeper are killed", async () => {
    const asked: Execution[] = [];
    const running: Promise<void>[] = [];
    let id = 0;
    const ask = async (one: number) => {
      const arrived = performance.now();
      let waitedMs = Number.POSITIVE_INFINITY;
      await gate.run({ id: "work", deferBy: deferByMs }, () => {
        waitedMs = performance.now() - arrived;
        return pool.query("INSERT INTO ran SELECT $1 FROM (SELECT sum(sqrt(n)) FROM generate_series(1, 60000) n) s", [
          one,
        ]);
      });
      asked.push({ id: one, waitedMs });
    };
    const fire = async () => {
      for (let k = 0; k < burst; k++) running.push(ask(id++));
      await sleep(everyMs);
    };
    // Until the scheduler has seen enough to hold them: else nobody's death could keep anything waiting.
    const held = () => asked.filter(({ waitedMs }) => waitedMs > 500).length;
    for (let round = 0; round < mostRounds && held() < fewestHeld; round++) await fire();
    expect(held()).toBeGreaterThanOrEqual(fewestHeld);
    for (const name of ["scheduler", "sampler", "cloud", "gatekeeper"]) {
      running.push(ask(id++));
      for (let k = 0; k < burst; k++) running.push(ask(id++));
      await sleep(300);
      const known = readRun(directory.path)?.processes.find((one) => one.name === name);
      expect([name, known !== undefined]).toEqual([name, true]);
      if (known) process.kill(known.pid, "SIGKILL");
      await sleep(everyMs - 300);
    }
    await fire();
    await Promise.all(running);

    const { rows } = await pool.query<{ id: number }>("SELECT id FROM ran");
    const ran = rows.map((row) => row.id);
    expect(asked).toHaveLength(id);
    expect(wrongs(asked, ran)).toEqual([]);

    expect(wrongs(asked, ran.slice(1))).toEqual([`${ran[0]} is lost`]);
    expect(wrongs(asked, [...ran, ran[0] ?? 0])).toEqual([`${ran[0]} ran twice`]);
    expect(wrongs([...asked, { id: ran[0] ?? 0, waitedMs: 9_000 }], ran)).toEqual([`${ran[0]} waited for 9000 ms`]);
  }, 180_000);
});
