/** Whatever a gatekeeper does: work runs once, in time, as it is; and what ran is known in the end. */
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import fc from "fast-check";
import { createGateOver, type Gate } from "../../gate/src/gate.ts";
import { FakeGatekeeper, type Fate } from "../support/fake-gatekeeper.ts";

const long = process.env.EVENKEEL_LONG === "1";
jest.setTimeout(long ? 3_600_000 : 60_000);

type Step =
  | {
      readonly do: "run";
      readonly deferBy: number;
      readonly runsMs: number;
      readonly fails: boolean;
      readonly abortAfterMs: number;
    }
  | { readonly do: "fate"; readonly fate: Fate }
  | { readonly do: "say"; readonly line: string }
  | { readonly do: "release" | "cut" | "restart" | "write" | "streaming" | "notStreaming" }
  | { readonly do: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("run" as const),
      deferBy: fc.oneof(fc.constant(0), fc.nat(4_000)),
      runsMs: fc.nat(1_500),
      fails: fc.boolean(),
      abortAfterMs: fc.oneof(fc.constant(-1), fc.nat(3_000)),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(2_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fate" as const),
      fate: fc.constantFrom<Fate>(
        "good",
        "good",
        "good",
        "refused",
        "unreachable",
        "lost",
        "hangs",
        "garbage",
        "slow",
        "busy",
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("say" as const), line: fc.oneof(fc.string(), fc.json()) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "release" as const,
        "cut" as const,
        "restart" as const,
        "write" as const,
        "streaming" as const,
        "notStreaming" as const,
      ),
    }),
  },
);

/** What becomes of a run; times in ms after it was asked for. */
interface Piece {
  readonly deferBy: number;
  readonly abortAfterMs: number;
  begun: number[];
  outcome: "pending" | "as it is" | "aborted" | "changed";
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["queueMicrotask", "nextTick"] });
});
afterEach(() => {
  jest.useRealTimers();
});

/** Plays the steps, then lets all be well; returns what went wrong. */
async function play(steps: readonly Step[], keepExecutions: number, plant: (gate: Gate) => Gate = (gate) => gate) {
  const gatekeeper = new FakeGatekeeper();
  const closable = createGateOver(gatekeeper.transport, {
    ...{ database: "d", role: "r", mode: "enforce", keepExecutions, onWarning: () => {} },
  });
  const gate = plant(closable);
  const pieces: Piece[] = [];
  let number = 0;

  const run = ({ deferBy, runsMs, fails, abortAfterMs }: Extract<Step, { do: "run" }>) => {
    const asked = performance.now();
    const piece: Piece = { deferBy, abortAfterMs, begun: [], outcome: "pending" };
    pieces.push(piece);
    const result = { number: ++number };
    const stop = new AbortController();
    const reason = new Error("given up");
    if (abortAfterMs >= 0) setTimeout(() => stop.abort(reason), abortAfterMs);
    gate
      .run({ id: "x", deferBy, ...(abortAfterMs >= 0 && { signal: stop.signal }) }, async () => {
        piece.begun.push(performance.now() - asked);
        await new Promise((resolve) => setTimeout(resolve, runsMs));
        if (fails) throw result;
        return result;
      })
      .then(
        (value) => {
          piece.outcome = !fails && value === result ? "as it is" : "changed";
        },
        (error) => {
          if (error === reason && piece.begun.length === 0) piece.outcome = "aborted";
          else piece.outcome = fails && error === result ? "as it is" : "changed";
        },
      );
  };

  for (const one of steps) {
    switch (one.do) {
      case "run":
        run(one);
        break;
      case "pass":
        await jest.advanceTimersByTimeAsync(one.ms);
        break;
      case "fate":
        gatekeeper.fate = one.fate;
        break;
      case "say":
        gatekeeper.say(one.line);
        break;
      case "release":
        gatekeeper.release(...[...gatekeeper.waiting.keys()].slice(0, 2));
        break;
      case "streaming":
      case "notStreaming":
        gatekeeper.streaming = one.do === "streaming";
        break;
      case "cut":
      case "restart":
      case "write":
        gatekeeper[one.do]();
        break;
    }
  }
  gatekeeper.fate = "good";
  gatekeeper.streaming = true;
  for (let tick = 0; tick < 120; tick++) {
    await jest.advanceTimersByTimeAsync(100);
    gatekeeper.write();
  }
  const wrong: string[] = [];
  for (const [index, { deferBy, begun, outcome, abortAfterMs }] of pieces.entries()) {
    if (begun.length > 1) wrong.push(`${index} ran ${begun.length} times`);
    if (begun.length === 0 && outcome !== "aborted") wrong.push(`${index} never ran`);
    if ((begun[0] ?? 0) > deferBy) wrong.push(`${index} waited ${begun[0]} ms, not ${deferBy}`);
    if (outcome === "aborted" && !(abortAfterMs >= 0 && abortAfterMs <= deferBy)) wrong.push(`${index} was given up`);
    if (outcome === "pending" || outcome === "changed") wrong.push(`${index}: its outcome is ${outcome}`);
  }
  const ran = pieces.filter(({ begun }) => begun.length > 0).length;
  const lost = [...gatekeeper.lost.values()].reduce((sum, count) => sum + count, 0);
  if (gatekeeper.disk.size + lost !== ran) wrong.push(`${ran} ran, ${gatekeeper.disk.size} are recorded, ${lost} lost`);
  if (lost > 0 && ran <= keepExecutions) wrong.push(`${lost} lost, though all found room`);
  if (gatekeeper.running.size > 0) wrong.push(`${gatekeeper.running.size} seem to run`);
  if (closable.status().held > 0) wrong.push("something is still held");
  const closing = closable.close();
  await jest.advanceTimersByTimeAsync(2_000);
  await closing;
  return wrong;
}

const plays = fc.record({
  steps: fc.array(step, { maxLength: 60 }),
  keepExecutions: fc.constantFrom(3, 10_000),
});

describe("a gate before a gatekeeper that does whatever it wants", () => {
  it("holds its promises", async () => {
    await fc.assert(
      fc.asyncProperty(plays, async ({ steps, keepExecutions }) => {
        expect(await play(steps, keepExecutions)).toEqual([]);
      }),
      { numRuns: long ? 5_000 : 150 },
    );
  });

  it.each<[string, (gate: Gate) => Gate]>([
    [
      "waits for the gatekeeper alone",
      (gate) => ({ ...gate, run: (work, fn) => gate.run({ ...work, deferBy: (work.deferBy ?? 0) + 50 }, fn) }),
    ],
    [
      "runs twice",
      (gate) => ({
        ...gate,
        run: (work, fn) => gate.run(work, async () => (await Promise.allSettled([fn(), fn()])) && fn()),
      }),
    ],
    ["swallows errors", (gate) => ({ ...gate, run: (work, fn) => gate.run(work, fn).catch(() => fn()) })],
    ["does not record", (gate) => ({ ...gate, run: async (_, fn) => fn() })],
  ])("planted fault: one that %s is found", async (_, plant) => {
    const found = await fc.check(
      fc.asyncProperty(plays, async ({ steps }) => (await play(steps, 10_000, plant)).length === 0),
      { numRuns: 200, seed: 1, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
  });
});
