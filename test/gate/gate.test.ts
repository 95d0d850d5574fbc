import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { createGate, createGateOver, type Gate } from "../../gate/src/gate.ts";
import type { GateOptions, GateWarning, ShadowFate } from "../../gate/src/options.ts";
import { FakeGatekeeper } from "../support/fake-gatekeeper.ts";

let gatekeeper: FakeGatekeeper;
let warnings: GateWarning[];
let fates: ShadowFate[];
const gates: Gate[] = [];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["queueMicrotask", "nextTick"] });
  gatekeeper = new FakeGatekeeper();
  warnings = [];
  fates = [];
});
afterEach(async () => {
  const closing = gates.splice(0).map((gate) => gate.close());
  await jest.advanceTimersByTimeAsync(2_000);
  await Promise.all(closing);
  jest.useRealTimers();
});

/** Time passes; a gatekeeper that lives says so each tick. */
async function pass(ms: number, alive = true): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    await jest.advanceTimersByTimeAsync(Math.min(100, left));
    if (alive) gatekeeper.write();
  }
}

async function connectedGate(options: Partial<GateOptions> = {}): Promise<Gate> {
  const gate = createGateOver(gatekeeper.transport, {
    ...{ database: "d", role: "r", mode: "enforce" },
    onWarning: (warning) => warnings.push(warning),
    onShadow: (fate) => fates.push(fate),
    ...options,
  });
  gates.push(gate);
  await pass(10);
  return gate;
}

/** Work of which is known when it began. */
function work() {
  const asked = performance.now();
  const seen = { waited: undefined as number | undefined, times: 0 };
  const run = () => {
    seen.times++;
    seen.waited = performance.now() - asked;
    return seen.times;
  };
  return { seen, run };
}

describe("held work", () => {
  it("runs when it is let go", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    const done = gate.run({ id: "report", deferBy: 5_000 }, run);
    await pass(700);
    expect([seen.times, gate.status()]).toEqual([0, { connected: true, held: 1 }]);
    gatekeeper.release(...gatekeeper.waiting.keys());
    expect(await done).toBe(1);
    expect(seen.waited).toBe(700);
  });

  it("waits no longer than deferBy, though nothing lets it go", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 1_500 }, run);
    await pass(2_000);
    expect(seen).toEqual({ times: 1, waited: 1_500 });
  });

  it("waits no longer than until its deadline, nor than deferBy", async () => {
    const gate = await connectedGate();
    const [soon, late, past] = [work(), work(), work()];
    void gate.run({ id: "a", deferBy: 9_000, deadline: new Date(Date.now() + 500) }, soon.run);
    void gate.run({ id: "b", deferBy: 800, deadline: Date.now() + 5_000 }, late.run);
    void gate.run({ id: "c", deadline: Date.now() - 1 }, past.run);
    await pass(2_000);
    expect([soon.seen.waited, late.seen.waited, past.seen.waited]).toEqual([500, 800, 0]);
  });

  it("runs once, whoever lets it go how often", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 300 }, run);
    await pass(100);
    const ids = [...gatekeeper.waiting.keys()];
    gatekeeper.release(...ids, ...ids, "unknown");
    gatekeeper.release(...ids);
    await pass(1_000);
    expect(seen.times).toBe(1);
  });

  it("is given up when its signal aborts, and does not run", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    const stop = new AbortController();
    const done = gate.run({ id: "report", deferBy: 5_000, signal: stop.signal }, run);
    await pass(100);
    stop.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
    await expect(gate.run({ id: "x", deferBy: 5_000, signal: stop.signal }, run)).rejects.toThrow("enough");
    await pass(6_000);
    expect([seen.times, gatekeeper.cancelled.size, gate.status().held]).toEqual([0, 1, 0]);
  });

  it("is asked about at once, whatever else is told", async () => {
    const gate = await connectedGate();
    await pass(200);
    void gate.run({ id: "short", deferBy: 0 }, () => 1);
    await pass(5);
    const { batches } = gatekeeper;
    // This one is told some time later, but for the question.
    void gate.run({ id: "short", deferBy: 0 }, () => 1);
    await pass(5);
    expect(gatekeeper.batches).toBe(batches);
    void gate.run({ id: "report", deferBy: 5_000 }, work().run);
    void gate.run({ id: "report", deferBy: 5_000 }, work().run);
    await pass(1);
    expect([gatekeeper.batches, gatekeeper.waiting.size]).toEqual([batches + 1, 2]);
  });

  it("is asked about at once, and again where another gatekeeper answers", async () => {
    const gate = await connectedGate();
    void gate.run({ id: "report", deferBy: 5_000 }, work().run);
    await pass(1);
    expect([...gatekeeper.waiting.values()]).toMatchObject([{ withinMs: 5_000, shadow: false }]);
  });
});

describe("without a gatekeeper that answers, work runs at once", () => {
  it.each(["unreachable", "refused", "garbage", "busy", "lost"] as const)("%s", async (fate) => {
    gatekeeper.fate = fate;
    const gate = await connectedGate();
    const { seen, run } = work();
    expect(await gate.run({ id: "report", deferBy: 5_000 }, run)).toBe(1);
    expect(seen.waited).toBe(0);
    expect(warnings).toMatchObject([{ code: "away" }]);
  });

  it.each(["hangs", "slow"] as const)("%s: after the time for an answer", async (fate) => {
    const gate = await connectedGate({ answerWithinMs: 200 });
    gatekeeper.fate = fate;
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 5_000 }, run);
    await pass(300);
    expect(seen.waited).toBe(200);
  });

  it("its stream ends: all that is held runs at once", async () => {
    const gate = await connectedGate();
    const all = Array.from({ length: 5 }, work);
    for (const { run } of all) void gate.run({ id: "report", deferBy: 5_000 }, run);
    await pass(400);
    gatekeeper.restart();
    await pass(1);
    expect(all.map(({ seen }) => seen.waited)).toEqual(Array(5).fill(400));
  });

  it("it falls silent: after a second and a quarter at the latest", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 9_000 }, run);
    await pass(200);
    await pass(1_300, false);
    expect(seen.times).toBe(1);
    expect(seen.waited).toBeLessThanOrEqual(1_450);
  });

  it("it has no stream: after the time for its first word", async () => {
    gatekeeper.streaming = false;
    const gate = await connectedGate();
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 9_000 }, run);
    await pass(100);
    expect(seen.waited).toBe(0);
  });

  it("once it is back, work is held again", async () => {
    gatekeeper.fate = "unreachable";
    const gate = await connectedGate();
    await pass(3_000);
    gatekeeper.fate = "good";
    await pass(2_500);
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 700 }, run);
    await pass(1_000);
    expect([seen.waited, gate.status().connected]).toEqual([700, true]);
  });

  it("nor where it says nonsense", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    void gate.run({ id: "report", deferBy: 500 }, run);
    for (const line of [
      "",
      "{",
      "null",
      "[]",
      '{"type":"release","ids":5}',
      '{"type":"release","ids":[{}]}',
      '{"type":"x"}',
    ])
      gatekeeper.say(line);
    await pass(1_000);
    expect(seen).toEqual({ times: 1, waited: 500 });
  });
});

describe("what cannot be used is told, and the work runs at once", () => {
  it.each([
    [{ deferBy: -1 }, "deferBy"],
    [{ deferBy: Number.NaN }, "deferBy"],
    [{ deadline: Number.NaN }, "deadline"],
    [{ deadline: new Date("x") }, "deadline"],
    [{}, "deferBy-missing"],
  ])("%j", async (given, code) => {
    const gate = await connectedGate();
    const { seen, run } = work();
    expect(await gate.run({ id: "report", ...given }, run)).toBe(1);
    expect(seen.waited).toBe(0);
    expect(warnings).toMatchObject([{ code }]);
  });

  it("text for a number of ms", async () => {
    const gate = await connectedGate();
    const given: object = { id: "report", deferBy: "1000" };
    expect(await gate.run(given, work().run)).toBe(1);
    expect(warnings).toMatchObject([{ code: "deferBy", message: expect.stringContaining("1000") }]);
  });

  it("neither sql nor id, and an id that tables cannot hold", async () => {
    const gate = await connectedGate();
    await gate.run({ deferBy: 0 }, work().run);
    await gate.run({ id: "a b#c", deferBy: 0 }, work().run);
    expect(warnings).toMatchObject([{ code: "work" }, { code: "id", message: expect.stringContaining("'a_b_c'") }]);
  });

  it("a mode and an address that are none", async () => {
    const wrong: object = {
      database: "d",
      role: "r",
      mode: "force",
      url: "ftp://x",
      onWarning: (one: GateWarning) => warnings.push(one),
    };
    const gate = createGate({ database: "d", role: "r", ...wrong });
    gates.push(gate);
    expect(gate.mode).toBe("observe");
    expect(await gate.run({ id: "x", deferBy: 1_000 }, () => 7)).toBe(7);
    await pass(10);
    expect(warnings.map(({ code }) => code)).toEqual(["url", "mode", "away"]);
  });

  it("each kind once a minute, and by a listener that throws, too", async () => {
    let told = 0;
    const gate = await connectedGate({
      onWarning: () => {
        told++;
        throw new Error("a faulty listener");
      },
    });
    for (let times = 0; times < 5; times++) expect(await gate.run({ id: "x", deferBy: -1 }, () => times)).toBe(times);
    await pass(61_000);
    await gate.run({ id: "x", deferBy: -1 }, () => 1);
    expect(told).toBe(2);
  });
});

describe("modes", () => {
  it("observe records and delays nothing", async () => {
    const gate = await connectedGate({ mode: "observe" });
    const { seen, run } = work();
    await gate.run({ id: "report", deferBy: 5_000 }, run);
    await pass(200);
    expect([seen.waited, gatekeeper.disk.size, gatekeeper.waiting.size]).toEqual([0, 1, 0]);
  });

  it("shadow delays nothing, and tells what would have been", async () => {
    const gate = await connectedGate({ mode: "shadow" });
    const { seen, run } = work();
    await gate.run({ id: "report", deferBy: 5_000 }, run);
    await pass(200);
    gatekeeper.say({ type: "shadow", would: [{ id: "x", delayMs: 900, why: "placed" }] });
    expect([seen.waited, gatekeeper.disk.size]).toEqual([0, 1]);
    expect(fates).toEqual([{ id: "x", delayMs: 900, why: "placed" }]);
  });
});

describe("what work needs before it begins", () => {
  it.each(["observe", "shadow", "enforce"] as const)(
    "in %s is asked for when it is let go, and waiting for it is not running",
    async (mode) => {
      const gate = await connectedGate({ mode });
      const asked = performance.now();
      const connection = Promise.withResolvers<void>();
      let askedFor: number | undefined;
      const before = () => {
        askedFor = performance.now() - asked;
        return connection.promise;
      };
      const { seen, run } = work();
      const done = gate.run({ id: "report", deferBy: 500, before }, run);
      await pass(2_000);
      expect([askedFor, seen.times, gatekeeper.running.size]).toEqual([mode === "enforce" ? 500 : 0, 0, 0]);
      connection.resolve();
      expect(await done).toBe(1);
      expect(seen.waited).toBe(2_000);
      await pass(1_000);
      expect(gatekeeper.disk.size).toBe(1);
    },
  );

  it("would be taken for running without that", async () => {
    const gate = await connectedGate({ mode: "observe" });
    const connection = Promise.withResolvers<void>();
    const done = gate.run({ id: "report" }, () => connection.promise);
    await pass(2_000);
    expect(gatekeeper.running.size).toBe(1);
    connection.resolve();
    await done;
  });

  it("and cannot be had: it does not run, and the error is passed on", async () => {
    for (const mode of ["observe", "enforce"] as const) {
      const gate = await connectedGate({ mode });
      const { seen, run } = work();
      const before = () => {
        throw new Error("no connection");
      };
      const done = expect(gate.run({ id: "report", deferBy: 300, before }, run)).rejects.toThrow("no connection");
      await pass(1_000);
      await done;
      await gate.close();
      await expect(gate.run({ id: "report", before }, run)).rejects.toThrow("no connection");
      expect([seen.times, gatekeeper.running.size, gatekeeper.waiting.size]).toEqual([0, 0, 0]);
    }
  });
});

describe("results", () => {
  it("are passed on as they are", async () => {
    const gate = await connectedGate();
    const [object, error] = [{}, new Error("mine")];
    expect(await gate.run({ id: "x", deferBy: 0 }, () => object)).toBe(object);
    expect(await gate.run({ id: "x", deferBy: 0 }, async () => object)).toBe(object);
    const thrown = (fn: () => unknown) => gate.run({ id: "x", deferBy: 0 }, fn).catch((caught: unknown) => caught);
    expect(await thrown(() => Promise.reject(error))).toBe(error);
    expect(
      await thrown(() => {
        throw error;
      }),
    ).toBe(error);
    expect(await thrown(() => Promise.reject(undefined))).toBe(undefined);
  });

  it("of a query builder, which runs whenever its then is called, come of one run", async () => {
    const gate = await connectedGate();
    let runs = 0;
    class Builder extends Promise<number> {
      // biome-ignore lint/suspicious/noThenProperty: as query builders do
      override then<A, B>(
        resolved?: ((value: number) => A | PromiseLike<A>) | null,
        failed?: ((why: unknown) => B | PromiseLike<B>) | null,
      ) {
        return Promise.resolve(++runs).then(resolved, failed);
      }
    }
    expect(await gate.run({ id: "x", deferBy: 0 }, () => new Builder(() => {}))).toBe(1);
    expect(runs).toBe(1);
  });
});

describe("the record", () => {
  it.each([
    ["observe", 6],
    ["enforce", 25],
  ] as const)("is told in batches, in mode %s of up to %d a second", async (mode, most) => {
    const gate = await connectedGate({ mode });
    const before = gatekeeper.batches;
    for (let call = 0; call < 200; call++) {
      void gate.run({ id: "q", deferBy: 0 }, () => call);
      await jest.advanceTimersByTimeAsync(5);
      if (call % 20 === 0) gatekeeper.write();
    }
    expect(gatekeeper.batches - before).toBeLessThanOrEqual(most);
    await pass(500);
    expect(gatekeeper.disk.size).toBe(200);
  });

  it("is told at once when a batch is full, and again so long as one is", async () => {
    const gate = await connectedGate({ mode: "observe" });
    for (let call = 0; call < 4_500; call++) void gate.run({ id: "q", deferBy: 0 }, () => call);
    await pass(210);
    expect(gatekeeper.disk.size).toBe(4_500);
    void gate.run({ id: "q", deferBy: 0 }, () => 0);
    await pass(20);
    for (let call = 0; call < 1_500; call++) void gate.run({ id: "q", deferBy: 0 }, () => call);
    await pass(20);
    expect(gatekeeper.disk.size).toBeGreaterThanOrEqual(5_500);
  });

  it("has what ran while the gatekeeper was away, once", async () => {
    const gate = await connectedGate();
    gatekeeper.restart();
    gatekeeper.fate = "unreachable";
    for (let number = 0; number < 50; number++) await gate.run({ id: "x", deferBy: 0 }, () => number);
    await pass(5_000, false);
    gatekeeper.fate = "good";
    await pass(3_000);
    expect([gatekeeper.disk.size, gatekeeper.lost.size]).toEqual([50, 0]);
  });

  it("counts what found no room, and says from when to when", async () => {
    const gate = await connectedGate({ keepExecutions: 20 });
    gatekeeper.restart();
    gatekeeper.fate = "unreachable";
    for (let number = 0; number < 50; number++) await gate.run({ id: "x", deferBy: 0 }, () => number);
    await pass(1_000, false);
    gatekeeper.fate = "good";
    await pass(3_000);
    expect([gatekeeper.disk.size, [...gatekeeper.lost.values()]]).toEqual([20, [30]]);
  });

  it("is told again to a gatekeeper that was killed before it had it on disk", async () => {
    const gate = await connectedGate();
    await gate.run({ id: "x", deferBy: 0 }, () => 1);
    await pass(50, false);
    gatekeeper.restart();
    await pass(3_000);
    expect(gatekeeper.disk.size).toBe(1);
  });

  it("tells another gatekeeper what runs", async () => {
    const gate = await connectedGate();
    void gate.run({ id: "x", deferBy: 0 }, () => new Promise(() => {}));
    await pass(100);
    gatekeeper.restart();
    expect(gatekeeper.running.size).toBe(0);
    await pass(3_000);
    expect(gatekeeper.running.size).toBe(1);
  });

  it("goes in few batches, the first at once", async () => {
    const gate = await connectedGate();
    await pass(100);
    const before = gatekeeper.batches;
    for (let ms = 0; ms < 1_000; ms++) {
      await gate.run({ id: "x", deferBy: 0 }, () => 1);
      await jest.advanceTimersByTimeAsync(1);
      if (ms === 0) expect(gatekeeper.batches).toBe(before + 1);
    }
    expect(gatekeeper.batches - before).toBeLessThan(60);
  });

  it("tells a statement's text once, and never a long one whole", async () => {
    const bodies: string[] = [];
    const post = (body: string, ms: number) => {
      bodies.push(body);
      return gatekeeper.transport.post(body, ms);
    };
    const gate = createGateOver({ ...gatekeeper.transport, post }, { database: "d", role: "r" });
    gates.push(gate);
    await pass(10);
    for (let times = 0; times < 3; times++) {
      await gate.run({ sql: "select 1", deferBy: 0 }, () => 1);
      await pass(100);
    }
    await gate.run({ sql: "x".repeat(1_000_000), deferBy: 0 }, () => 1);
    await pass(100);
    expect(bodies.filter((body) => body.includes("select 1")).length).toBe(1);
    expect(Math.max(...bodies.map((body) => body.length))).toBeLessThan(40_000);
  });
});

describe("closing", () => {
  it("lets go what is held, tells what is left, and then work runs ungated", async () => {
    const gate = await connectedGate();
    const { seen, run } = work();
    void gate.run({ id: "x", deferBy: 9_000 }, run);
    await pass(100);
    const closing = gate.close();
    await pass(1_000);
    await closing;
    expect([seen.waited, gatekeeper.disk.size, gatekeeper.streams]).toEqual([100, 1, 0]);
    expect(await gate.run({ id: "x", deferBy: 9_000 }, () => 5)).toBe(5);
  });

  it("waits for an absent gatekeeper no longer than a second and a half", async () => {
    gatekeeper.fate = "hangs";
    const gate = await connectedGate();
    const before = performance.now();
    const closing = gate.close().then(() => performance.now() - before);
    await pass(4_000, false);
    expect(await closing).toBeLessThanOrEqual(2_500);
  });
});
