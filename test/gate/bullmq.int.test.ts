/** BullMQ's own queues and workers on a real Redis, with processors that a real gatekeeper holds. */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Job, Queue, Worker, type WorkerOptions } from "bullmq";
import { gateProcessor, type ProcessorWork } from "../../gate/src/bullmq.ts";
import { createGate } from "../../gate/src/gate.ts";
import { eventually } from "../support/eventually.ts";
import { placeBy, startGatekeeper } from "../support/gatekeeper.ts";
import { type RunningRedis, startRedis } from "../support/redis.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

type Processor = (job: Job, token?: string, signal?: AbortSignal) => Promise<unknown>;

let redis: RunningRedis;
const endings: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  redis = await startRedis();
}, 30_000);
afterEach(async () => {
  for (const ending of endings.splice(0).reverse()) await ending();
}, 30_000);
afterAll(() => redis.stop());

/** A queue, and a gatekeeper that holds each job for so many ticks of 100 ms. */
async function setup({ holdTicks }: { holdTicks: number }) {
  const directory = temporaryDirectory();
  endings.push(async () => directory[Symbol.dispose]());
  const server = await startGatekeeper(directory.path);
  let stopped: Promise<void> | undefined;
  const stopGatekeeper = () => {
    stopped ??= server.stop();
    return stopped;
  };
  endings.push(stopGatekeeper);
  placeBy(server.gatekeeper, (arrivedTick) => arrivedTick + holdTicks);
  const connection = { host: "127.0.0.1", port: redis.port };
  const name = `mail-${randomUUID()}`;
  const queue = new Queue(name, { connection });
  endings.push(() => queue.close());
  const gate = createGate({ url: server.url, database: "shop", role: "app", mode: "enforce", onWarning: () => {} });
  endings.push(() => gate.close());
  await eventually(
    async () => gate.status().connected,
    (connected) => connected,
  );
  const runs: { readonly id: string | undefined; readonly worker: string; readonly waited: number }[] = [];
  const start = (
    worker: string,
    options: Omit<Partial<WorkerOptions>, "connection">,
    gated: (processor: Processor) => Processor,
    outcome: (job: Job) => unknown = () => "sent",
  ) => {
    const processor: Processor = async (job) => {
      runs.push({ id: job.id, worker, waited: Date.now() - (job.processedOn ?? 0) });
      return outcome(job);
    };
    const one = new Worker(name, gated(processor), { connection, concurrency: 10, ...options });
    // A worker without a listener throws.
    one.on("error", () => {});
    endings.push(() => one.close(true));
    return one;
  };
  const behind =
    (work: ProcessorWork) =>
    (processor: Processor): Processor =>
      gateProcessor(processor, gate, work);
  const states = () => queue.getJobCounts("completed", "failed", "active", "waiting");
  const settled = (count: number) =>
    eventually(states, ({ completed = 0, failed = 0 }) => completed + failed === count, 20_000);
  return { ...{ name, queue, server, gate, runs, start, behind, settled, stopGatekeeper } };
}

describe("jobs behind a gate", () => {
  it("are held in their worker, let go, run once, and recorded by queue and name; a retry is held anew", async () => {
    const { name, queue, server, runs, start, behind, settled } = await setup({ holdTicks: 6 });
    start("one", {}, behind({ deferBy: 5_000 }), (job) => {
      if (job.name === "flaky" && job.attemptsMade === 0) throw new Error("try again");
      return job.data.text;
    });
    const jobs = await queue.addBulk([
      { name: "send", data: { text: "a" } },
      { name: "send", data: { text: "b" } },
      { name: "flaky", data: { text: "c" }, opts: { attempts: 2 } },
      { name: "fails", data: {}, opts: { attempts: 1 } },
    ]);
    await settled(4);
    expect(runs.map(({ id }) => id).sort()).toEqual(["1", "2", "3", "3", "4"]);
    // Six ticks, of which the one in which it arrived may be nearly over.
    expect(Math.min(...runs.map(({ waited }) => waited))).toBeGreaterThan(400);
    const after = await Promise.all(jobs.map(({ id = "" }) => queue.getJob(id)));
    expect(after.map((job) => job?.returnvalue)).toEqual(["a", "b", "c", null]);
    const rows = await eventually(
      async () => server.rows().filter((row) => row.type === "execution"),
      ({ length }) => length === 5,
    );
    expect(rows.map(({ queryId }) => queryId).sort()).toEqual(
      ["fails", "flaky", "flaky", "send", "send"].map((job) => `${name}:${job}`),
    );
    expect(Math.min(...rows.map(({ delayTicks }) => delayTicks))).toBeGreaterThanOrEqual(4);
  }, 60_000);

  it("held for longer than their lock lasts keep it: no other worker takes them", async () => {
    const { queue, runs, start, behind, settled } = await setup({ holdTicks: 20 });
    const options = { lockDuration: 800, stalledInterval: 100, maxStalledCount: 10 };
    const first = start("one", options, behind({ deferBy: 9_000, lockDuration: 800 }));
    let renewed = 0;
    first.on("locksRenewed", () => renewed++);
    await queue.add("send", {});
    await eventually(
      async () => (await queue.getJobCounts("active")).active,
      (active) => active === 1,
    );
    start("two", options, behind({ deferBy: 0 }));
    await settled(1);
    expect(runs.length).toBe(1);
    expect(renewed).toBeGreaterThan(1);
  }, 60_000);

  /** A worker that renews nothing, and did not say so; another one finds the job stalled and runs it. */
  async function lostLock(gated: (processor: Processor) => Processor) {
    const { queue, runs, start, behind, settled, gate } = await setup({ holdTicks: 25 });
    const options = { lockDuration: 300, stalledInterval: 100, maxStalledCount: 10 };
    const first = start("one", { ...options, concurrency: 1, skipLockRenewal: true }, (processor) =>
      gated(behind({ deferBy: 9_000, lockDuration: 300 })(processor)),
    );
    await queue.add("send", {});
    await eventually(
      async () => gate.status().held,
      (held) => held === 1,
    );
    start("two", options, behind({ deferBy: 0 }));
    await settled(1);
    await eventually(
      async () => gate.status().held,
      (held) => held === 0,
    );
    await first.close();
    return runs.map(({ worker }) => worker);
  }

  it("that lost their lock while they were held run where it was taken, and nowhere else", async () => {
    expect(await lostLock((processor) => processor)).toEqual(["two"]);
  }, 60_000);

  it("would run twice were nobody to look at the lock", async () => {
    const blind = (processor: Processor): Processor => {
      return (job, token, signal) => processor(Object.create(job, { extendLock: { value: undefined } }), token, signal);
    };
    expect(await lostLock(blind)).toEqual(["two", "one"]);
  }, 60_000);

  it("given up while they are held do not run; a processor of one parameter would never hear of it", async () => {
    const outcome = async (gated: (processor: Processor) => Processor) => {
      const { queue, runs, start, behind, settled, gate } = await setup({ holdTicks: 10 });
      const worker = start("one", {}, (processor) => gated(behind({ deferBy: 9_000 })(processor)));
      const { id = "" } = await queue.add("send", {});
      await eventually(
        async () => gate.status().held,
        (held) => held === 1,
      );
      worker.cancelJob(id, "not wanted any more");
      await settled(1);
      return [runs.length, (await queue.getJob(id))?.failedReason];
    };
    expect(await outcome((processor) => processor)).toEqual([0, expect.stringContaining("not wanted any more")]);
    expect((await outcome((processor) => (job) => processor(job)))[0]).toBe(1);
  }, 60_000);

  it("run at once when the gatekeeper goes away, and while it is", async () => {
    const { queue, runs, start, behind, settled, gate, stopGatekeeper } = await setup({ holdTicks: 500 });
    start("one", {}, behind({ deferBy: 60_000 }));
    await queue.add("send", {});
    await eventually(
      async () => gate.status().held,
      (held) => held === 1,
    );
    await stopGatekeeper();
    await settled(1);
    await queue.add("send", {});
    await settled(2);
    expect(runs.map(({ id }) => id)).toEqual(["1", "2"]);
  }, 60_000);
});
