import { globSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { readRun } from "../../local/run-record.ts";
import { testCloudKind } from "../../local/temporary-cloud.ts";
import { createDocument } from "../../platform/aws.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { type LedgerEntry, readLedger } from "../../platform/ledger-file.ts";
import { type SchedulerStatus, schedulerStatus } from "../../platform/scheduler-status.ts";
import { type ExecutionItem, scanExecutions } from "../../platform/tables/executions.ts";
import { Place, type Running } from "../support/evenkeel.ts";
import { eventually } from "../support/eventually.ts";

const loopMs = 130_000;
const cloud = testCloudKind();

const auditAnswer = z.object({ complete: z.boolean(), incarnations: z.array(z.object({ executed: z.number() })) });
const costsAnswer = z.object({ queries: z.array(z.object({ queryId: z.string(), sd: z.array(z.number()) })) });

const identityOf = ({ epoch, incarnation, sequence, executionId, queryId, tick }: LedgerEntry | ExecutionItem) =>
  [epoch, incarnation, sequence, executionId, queryId, tick].join(" ");

describe(`the loop on the ${cloud} cloud`, () => {
  let place: Place;
  let up: Running;
  let startedAt = 0;

  const statusOfScheduler = async (): Promise<SchedulerStatus | undefined> => {
    try {
      const answer = await fetch(`${readRun(place.directory)?.schedulerUrl}/status`);
      return schedulerStatus.safeParse(await answer.json()).data;
    } catch {
      return undefined;
    }
  };
  const steers = (status: SchedulerStatus | undefined) => status?.mode === "steering" && status.placements > 0;
  const restart = async (name: string, signal: NodeJS.Signals) => {
    const before = place.pidOf(name);
    process.kill(before, signal);
    expect(
      await eventually(
        async () => place.pidOf(name),
        (pid) => pid !== before,
      ),
    ).not.toBe(before);
  };
  const ledger = async () => {
    const entries: LedgerEntry[] = [];
    for (const file of globSync(`${place.directory}/**/ledger.log`)) {
      for await (const entry of readLedger(file)) entries.push(entry);
    }
    return entries;
  };
  const table = async () => {
    const run = readRun(place.directory);
    if (!run) throw new Error("nothing runs");
    const document = createDocument(run.environment);
    const items: ExecutionItem[] = [];
    const { EVENKEEL_EXECUTIONS_TABLE } = workloadEnvironment.parse(run.environment);
    for await (const item of scanExecutions(document, EVENKEEL_EXECUTIONS_TABLE, run.serverId)) items.push(item);
    document.destroy();
    return items;
  };

  beforeAll(async () => {
    place = await Place.create();
    up = place.up("--cloud", cloud, "--seed", "7");
    const recorded = await eventually(
      async () => up.output(),
      (output) => output.includes("are recorded"),
      180_000,
    );
    expect(recorded).toContain("the first executions are recorded");
    startedAt = performance.now();
  }, 200_000);
  afterAll(() => place.remove(), 120_000);

  it("learns within minutes, and then delays", async () => {
    const steering = await eventually(statusOfScheduler, steers, 240_000);
    expect(steering).toMatchObject({ mode: "steering", trouble: [] });
  }, 250_000);

  it("goes on with the plan after the scheduler was killed, and after it was stopped", async () => {
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const before = await statusOfScheduler();
      await restart("scheduler", signal);
      const after = await eventually(statusOfScheduler, steers);
      // The count of placements began anew with the process: it has posted some of its own.
      expect(after).toMatchObject({ mode: "steering", epoch: before?.epoch });
      expect(after?.lease.token).toBeGreaterThan(before?.lease.token ?? Number.POSITIVE_INFINITY);
    }
  }, 100_000);

  it("goes on after the database was killed", async () => {
    const before = await statusOfScheduler();
    await restart("database", "SIGKILL");
    const after = await eventually(
      statusOfScheduler,
      (status) => status !== undefined && status.epoch !== before?.epoch,
    );
    expect(after?.epoch).not.toBe(before?.epoch);
  }, 60_000);

  it("has recorded all that the engine executed, each execution once", async () => {
    await sleep(Math.max(0, loopMs - (performance.now() - startedAt)));
    const executed = await ledger();
    const audit = await place.run("audit", "--deep", "--wait", "60", "--json");
    expect(audit.stderr).toBe("");
    if (audit.status !== 0) console.info(audit.stdout);
    expect(auditAnswer.parse(JSON.parse(audit.stdout))).toMatchObject({ complete: true });
    expect(audit.status).toBe(0);

    const recorded = await table();
    expect(executed.length).toBeGreaterThan((loopMs / 1_000) * 10);
    const identities = new Set(recorded.map(identityOf));
    expect(identities.size).toBe(recorded.length);
    expect(executed.filter((entry) => !identities.has(identityOf(entry)))).toEqual([]);
    // A kill may come between outbox and ledger: at most one tick of one epoch is in the table alone.
    const known = new Set((await ledger()).map(identityOf));
    const extra = recorded.filter((item) => !known.has(identityOf(item)));
    expect(new Set(extra.map(({ epoch, tick }) => `${epoch} ${tick}`)).size).toBeLessThanOrEqual(1);
    expect(new Set(executed.map(({ epoch }) => epoch)).size).toBe(2);
    // The same check with one row taken away sees it.
    for (const entry of executed.slice(0, 1)) identities.delete(identityOf(entry));
    expect(executed.filter((entry) => !identities.has(identityOf(entry)))).toEqual(executed.slice(0, 1));
  }, 250_000);

  it("has costs for the queries that ran", async () => {
    const seen = new Set((await ledger()).map(({ queryId }) => queryId));
    const answer = await eventually(
      async () => costsAnswer.parse(JSON.parse((await place.run("costs", "--estimate", "--json")).stdout)),
      ({ queries }) => queries.length >= seen.size,
    );
    const known = new Set(answer.queries.map(({ queryId }) => queryId));
    expect([...seen].filter((queryId) => !known.has(queryId))).toEqual([]);
  }, 90_000);

  it("has delayed executions in the table, and shows its state", async () => {
    const delayed = (await table()).filter(({ delayTicks }) => delayTicks > 1);
    expect(delayed.length).toBeGreaterThan(0);
    const status = await place.run("status");
    expect(status.stdout).toMatch(/recorded +rows 1 to/);
    expect(status.status).toBe(0);
    const tail = await place.run("tail", "--count", "3", "--json");
    expect(
      tail.stdout
        .trim()
        .split("\n")
        .map((line) => z.looseObject({ delaySeconds: z.number() }).parse(JSON.parse(line))),
    ).toHaveLength(3);
  }, 60_000);

  it("stops everything on Ctrl-C, and a second start goes on from there", async () => {
    const pids = ["database", "scheduler"].map((name) => place.pidOf(name));
    up.kill("SIGINT");
    expect((await up.finished).status).toBe(0);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect((await place.run("status")).stderr).toMatch(/nothing runs here/);
    if (cloud !== "embedded") return;

    const before = (await ledger()).length;
    up = place.up("--cloud", cloud, "--seed", "7");
    await eventually(
      async () => up.output(),
      (output) => output.includes("are recorded"),
      60_000,
    );
    const audit = await place.run("audit", "--deep", "--wait", "60", "--json");
    const { incarnations } = auditAnswer.parse(JSON.parse(audit.stdout));
    expect(audit.status).toBe(0);
    expect(incarnations).toHaveLength(1);
    expect(incarnations[0]?.executed).toBeGreaterThan(before);
  }, 150_000);
});
