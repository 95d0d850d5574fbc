import { describe, expect, it } from "@jest/globals";
import { defaultKnobs } from "../../../core/workload/steering/knobs.ts";
import { silentLog } from "../../../platform/log.ts";
import type { Costs } from "../../../platform/tables/costs.ts";
import { createInputs, KnobsRefused } from "../../../services/scheduler/inputs.ts";
import { FakeClock } from "../../support/clock.ts";

const cost = { mean: [1, 1, 1], sd: [1, 1, 1], seen: 1, lastSeenAt: 0 } satisfies Costs["prior"];

function setup() {
  const clock = new FakeClock();
  const table = { knobs: undefined as unknown, version: 0, away: false };
  const seen = { costs: [] as number[], knobs: [] as number[], requests: [] as number[], reads: 0 };
  let wantsEstimate = true;
  const answer = <Value>(value: Value): Promise<Value> =>
    table.away ? Promise.reject(new Error("the table is away")) : Promise.resolve(value);
  const inputs = createInputs({
    store: {
      readKnobs: () => answer(table.knobs),
      async writeKnobs(value) {
        await answer(undefined);
        table.knobs = value;
      },
      readPlan: () => answer(undefined),
      writePlan: () => answer("written" as const),
      readCostsVersion: () => answer(table.version),
      readCosts() {
        seen.reads++;
        const { version } = table;
        const prior = version > 0 ? cost : undefined;
        const costs = new Map([["q", cost]]);
        return answer({
          version,
          estimatedAt: 0,
          windows: 0,
          costs,
          prior,
          quality: {},
          rejected: {},
          skippedTicks: 0,
          outOfTime: 0,
          unreadable: [],
        });
      },
      async requestEstimate() {
        seen.requests.push(clock.monotonic());
      },
    },
    clock,
    log: silentLog,
    onCosts: (costs) => seen.costs.push(costs.size),
    onKnobs: (knobs) => seen.knobs.push(knobs.latencyP95Seconds),
    wantsEstimate: () => wantsEstimate,
  });
  const stop = new AbortController();
  const start = async () => {
    await inputs.refresh();
    void inputs.run(stop.signal);
  };
  const satisfy = () => {
    wantsEstimate = false;
  };
  return { clock, table, seen, inputs, start, stop, satisfy };
}

describe("costs and knobs from the tables", () => {
  it("takes new costs within two seconds, and reads them only when their version changed", async () => {
    const { clock, table, seen, start } = setup();
    await start();
    await clock.advance(10_000);
    expect([seen.reads, seen.costs]).toEqual([1, []]);
    table.version = 3;
    await clock.advance(2_000);
    expect([seen.reads, seen.costs]).toEqual([2, [1]]);
    await clock.advance(10_000);
    expect(seen.reads).toBe(2);
  });

  it("asks for an estimate after 10, 20 and 40 s while one is wanted", async () => {
    const { clock, seen, start } = setup();
    await start();
    await clock.advance(300_000);
    expect(seen.requests).toEqual([10_000, 20_000, 40_000]);
  });

  it("asks no more once costs are good", async () => {
    const { clock, seen, start, satisfy } = setup();
    await start();
    await clock.advance(15_000);
    satisfy();
    await clock.advance(60_000);
    expect(seen.requests).toEqual([10_000]);
  });

  it("keeps the last good knobs when new ones are bad, and says why", async () => {
    const { clock, table, seen, inputs, start } = setup();
    table.knobs = { latencyP95Seconds: 3 };
    await start();
    expect(inputs.knobs).toEqual({ ...defaultKnobs, latencyP95Seconds: 3 });
    table.knobs = { latencyP95Seconds: -1, speed: 9 };
    await clock.advance(2_000);
    expect(inputs.knobs.latencyP95Seconds).toBe(3);
    expect(inputs.trouble).toEqual([
      expect.stringMatching(/^knobs: the last good ones stay: .*latencyP95Seconds.*speed/),
    ]);
    table.knobs = { latencyP95Seconds: 5 };
    await clock.advance(2_000);
    expect(inputs.trouble).toEqual([]);
    expect(seen.knobs).toEqual([3, 5]);
  });

  it("stores what a person turns and turns it at once, change upon change", async () => {
    const { table, seen, inputs, start } = setup();
    table.knobs = { latencyP95Seconds: 3 };
    await start();
    const changes = [{ enabled: false }, { deadlineSeconds: { q: 0, r: 2 } }, { deadlineSeconds: { q: null } }];
    await Promise.all(changes.map((change) => inputs.changeKnobs(change)));
    expect(table.knobs).toEqual({ latencyP95Seconds: 3, enabled: false, deadlineSeconds: { r: 2 } });
    expect(inputs.knobs).toEqual({
      ...defaultKnobs,
      latencyP95Seconds: 3,
      enabled: false,
      deadlineSeconds: { r: 2 },
    });
    expect(seen.knobs).toHaveLength(4);
  });

  it("leaves the knobs as they are when a change is impossible or cannot be stored", async () => {
    const { table, inputs, start } = setup();
    await start();
    const many = Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [`q${at}`, 1]));
    await expect(inputs.changeKnobs({ deadlineSeconds: many })).rejects.toThrow(KnobsRefused);
    table.away = true;
    await expect(inputs.changeKnobs({ bandWidth: 0.2 })).rejects.toThrow("the table is away");
    expect(inputs.knobs).toEqual(defaultKnobs);
    table.away = false;
    expect((await inputs.changeKnobs({ bandWidth: 0.2 })).bandWidth).toBe(0.2);
  });

  it("does not turn back to knobs that were read before a change", async () => {
    const { table, inputs, start } = setup();
    table.knobs = { latencyP95Seconds: 3 };
    await start();
    const reading = inputs.refresh();
    await inputs.changeKnobs({ latencyP95Seconds: 4 });
    await reading;
    expect(inputs.knobs.latencyP95Seconds).toBe(4);
  });

  it("says that the table is away, keeps what it has, and goes on when it is back", async () => {
    const { clock, table, seen, inputs, start } = setup();
    table.version = 1;
    await start();
    table.away = true;
    await clock.advance(2_000);
    expect(inputs.trouble).toEqual(["knobs: the table is away", "costs: the table is away"]);
    expect(inputs.costs?.version).toBe(1);
    table.away = false;
    table.version = 2;
    await clock.advance(2_000);
    expect(inputs.trouble).toEqual([]);
    expect(seen.costs).toEqual([1, 1]);
  });
});
