/** The end of a round: what waits is sent, and everything is compared. */
import { appendFileSync, cpSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { auditServer, sizeOf } from "../../platform/audit.ts";
import { createCapture } from "../../platform/capture.ts";
import { systemClock } from "../../platform/clock.ts";
import { planRedrive, redriveLetter, withDeadLetters } from "../../platform/dead-letters.ts";
import { readLedger } from "../../platform/ledger-file.ts";
import { createLog } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { readGaps, scanExecutions } from "../../platform/tables/executions.ts";
import { listIncarnations } from "../../platform/tables/servers.ts";
import { plant } from "./mutants.ts";
import { type Verdict, verify } from "./verify.ts";
import type { World } from "./world.ts";

export interface Settled extends Verdict {
  /** What a deep audit says, by code that is not this campaign's. */
  readonly auditMissing: number;
}

/** Asks until the answer will do; undefined when it did not in time. */
export async function until<T>(
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
export async function settle(world: World, say: (line: string) => void, patienceMs: number): Promise<Settled> {
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
