import { beforeEach, describe, expect, it } from "@jest/globals";
import { gateProcessor } from "../../gate/src/bullmq.ts";
import type { Gate, Work } from "../../gate/src/gate.ts";
import { gatePool } from "../../gate/src/pg.ts";

/** What the gate was asked, and a way to hold what it was asked about. */
let asked: Work[];
let steps: string[];
let hold: Promise<void> | undefined;
let gate: Gate;

beforeEach(() => {
  asked = [];
  steps = [];
  hold = undefined;
  gate = {
    mode: "enforce",
    async run(work, fn) {
      asked.push(work);
      if ((work.deferBy ?? 0) !== 0) await hold;
      return fn();
    },
    status: () => ({ connected: true, held: 0 }),
    close: async () => {},
  };
});

class FakeClient {
  readonly number = 7;
  async query(text: string | { text: string; deferBy?: number }) {
    steps.push(`client ${typeof text === "string" ? text : JSON.stringify(text)}`);
    return { rows: [this.number] };
  }
  release() {
    steps.push("release");
  }
}

class FakePool {
  readonly totalCount = 3;
  readonly client = new FakeClient();
  ended = false;
  async query(...args: unknown[]) {
    steps.push(`pool ${JSON.stringify(args)}`);
    if (args[0] === "fails") throw new Error("no such table");
    return { rows: args };
  }
  async connect() {
    steps.push("connect");
    return this.client;
  }
  end() {
    this.ended = true;
  }
}

const called = <Value>(run: (callback: (error: unknown, value?: Value, done?: () => void) => void) => unknown) =>
  new Promise<{ error: unknown; value: Value | undefined; done: (() => void) | undefined }>((resolve) => {
    run((error, value, done) => resolve({ error, value, done }));
  });

describe("a pool behind a gate", () => {
  it("asks with each statement, and never holds one that does not say that it may be", async () => {
    const pool = gatePool(new FakePool(), gate);
    expect(await pool.query("select 1", [2])).toEqual({ rows: ["select 1", [2]] });
    expect(asked).toEqual([{ sql: "select 1", deferBy: 0 }]);
    await expect(pool.query("fails")).rejects.toThrow("no such table");
  });

  it("holds before a connection is taken", async () => {
    let release = () => {};
    hold = new Promise((resolve) => {
      release = resolve;
    });
    const pool = gatePool(new FakePool(), gate, { deferBy: 5_000 });
    const [one, two] = [pool.query("select 1"), pool.connect()];
    await new Promise(setImmediate);
    expect(steps).toEqual([]);
    release();
    await Promise.all([one, two]);
    expect(steps).toEqual(['pool ["select 1"]', "connect"]);
  });

  it("takes what a query says of itself, and does not pass it on", async () => {
    const pool = gatePool(new FakePool(), gate, { deferBy: 5_000 });
    const config = { text: "select $1", values: [1], id: "mine", deferBy: 100 };
    await pool.query(config);
    expect(asked).toEqual([{ sql: "select $1", id: "mine", deferBy: 100 }]);
    expect(steps).toEqual(['pool [{"text":"select $1","values":[1]}]']);
    expect(config.deferBy).toBe(100);
  });

  it("serves callbacks as pg does", async () => {
    const pool = gatePool(new FakePool(), gate);
    expect(await called((callback) => pool.query("select 1", callback))).toMatchObject({
      error: null,
      value: { rows: ["select 1"] },
    });
    expect(await called((callback) => pool.query("fails", [1], callback))).toMatchObject({
      error: { message: "no such table" },
    });
    const connect: (...args: unknown[]) => unknown = pool.connect;
    const { value, done } = await called<FakeClient>((callback) => connect(callback));
    expect(value?.number).toBe(7);
    done?.();
    expect(steps.at(-1)).toBe("release");
  });

  it("records what a client runs, and never holds it", async () => {
    hold = new Promise(() => {});
    const client = await gatePool(new FakePool(), gate).connect();
    await client.query("begin");
    await client.query({ text: "select 1", deferBy: 5_000 });
    await client.query("commit");
    client.release();
    expect(asked).toEqual(["begin", "select 1", "commit"].map((sql) => ({ sql, deferBy: 0 })));
    expect(steps).toEqual(["connect", "client begin", 'client {"text":"select 1"}', "client commit", "release"]);
  });

  it("counts a connection that may be held as one piece of work, until its release", async () => {
    let ended = false;
    const watched: Gate = {
      ...gate,
      async run(work, fn) {
        const result = await gate.run(work, fn);
        ended = true;
        return result;
      },
    };
    const whole = gatePool(new FakePool(), watched, { deferBy: 5_000, id: "refresh" });
    const client = await whole.connect();
    await client.query("select 1");
    await new Promise(setImmediate);
    expect([asked, ended]).toEqual([[{ deferBy: 5_000, id: "refresh" }], false]);
    client.release();
    await new Promise(setImmediate);
    expect(ended).toBe(true);
  });

  it("passes cursors and nonsense on as they are, and the rest of the pool too", async () => {
    const raw = new FakePool();
    const pool = gatePool(raw, gate, { deferBy: 5_000 });
    const cursor = { text: "select 1", submit() {} };
    await pool.query(cursor);
    await pool.query(undefined);
    await pool.query({ values: [1] });
    expect(asked).toEqual([]);
    pool.end();
    expect([raw.ended, pool instanceof FakePool, pool.totalCount]).toEqual([true, true, 3]);
  });
});

describe("a BullMQ processor behind a gate", () => {
  const job = { name: "send", queueName: "mail", data: 5 };
  const processor = async (given: typeof job, token?: string) => `${given.data} ${token}`;

  it("asks under the queue's and the job's name, and passes everything on", async () => {
    const { signal } = new AbortController();
    const gated = gateProcessor(
      async (given: typeof job, token?: string, stop?: AbortSignal) => [given, token, stop],
      gate,
      { deferBy: 9_000 },
    );
    expect(await gated(job, "t", signal)).toEqual([job, "t", signal]);
    expect(asked).toEqual([{ id: "mail:send", deferBy: 9_000, deadline: undefined, signal }]);
  });

  it("holds no longer than half of a lock that nobody renews", async () => {
    const waits = async (work: Parameters<typeof gateProcessor>[2]) => {
      await gateProcessor(processor, gate, work)(job, "t");
      return asked.at(-1)?.deferBy;
    };
    expect(await waits({ deferBy: 60_000 })).toBe(60_000);
    expect(await waits({ deferBy: 60_000, lockRenewed: false })).toBe(15_000);
    expect(await waits({ deferBy: 60_000, lockRenewed: false, lockDuration: 4_000 })).toBe(2_000);
    expect(await waits({ deferBy: 1_000, lockRenewed: false })).toBe(1_000);
    expect(await waits({ deadline: Date.now() + 9e6, lockRenewed: false })).toBe(15_000);
    expect(await waits({ id: "x" })).toBe(0);
    expect(await waits({ deferBy: Number.NaN, lockRenewed: false })).toBe(Number.NaN);
  });
});
