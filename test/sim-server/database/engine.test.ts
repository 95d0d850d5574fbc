import { describe, expect, it } from "@jest/globals";
import { Engine, type Step } from "../../../sim-server/database/engine.ts";
import { loadParameters, parseParameters } from "../../../sim-server/database/parameters.ts";

function run(engine: Engine, ticks: number): Step[] {
  return Array.from({ length: ticks }, () => engine.step());
}

const one = (more: object = {}) =>
  new Engine(
    parseParameters({ queries: 1, arrivals: { law: "constant", mean: 1, season: { amplitude: 0 } }, ...more }, "test"),
  );

describe("the default world", () => {
  const engine = new Engine(loadParameters("default"));

  it("has the required cost distributions: a dominant resource of about 58, the others of about 42", () => {
    // E = mu + sigma d sqrt(2/pi), d = lambda/sqrt(1 + lambda^2); 70 - 11.9 = 58.1 and 30 + 11.9 = 41.9, less 0.5 for truncation.
    const many = new Engine(parseParameters({ queries: 30_000 }, "test"));
    const costs = [...many.truth().values()];
    const mean = (resource: 0 | 1 | 2, profile: number) => {
      const values = costs.filter((_, query) => query % 3 === profile).map((cost) => cost[resource]);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    for (const resource of [0, 1, 2] as const) {
      for (const profile of [0, 1, 2]) {
        const expected = resource === profile ? 57.6 : 41.4;
        expect(Math.abs(mean(resource, profile) - expected)).toBeLessThan(0.5);
      }
    }
  });

  it("executes about 15 queries a second over a season", () => {
    // The mean of 100 draws of Exp(1) is within 40% of 1 for sure enough; level 1.5, 10 ticks a second.
    const executed = run(engine, 20_000).reduce((sum, step) => sum + step.executed.length, 0);
    expect(executed / 2_000).toBeGreaterThan(9);
    expect(executed / 2_000).toBeLessThan(21);
  });
});

describe("a tick", () => {
  it("first runs what is due, then lets new queries arrive: nothing runs in the tick of its arrival", () => {
    const steps = run(one(), 3);
    expect(steps.map(({ executed, arrived }) => [executed.length, arrived.length])).toEqual([
      [0, 1],
      [1, 1],
      [1, 1],
    ]);
    expect(steps[1]?.executed[0]).toMatchObject({ id: steps[0]?.arrived[0]?.id, arrivedTick: 0, tick: 1 });
  });

  it("closes a window with the floored average, minimum and maximum over its ticks", () => {
    const engine = one({
      windowTicks: 4,
      profiles: [
        {
          cpu: { law: "constant", value: 10 },
          io: { law: "constant", value: 3 },
          memory: { law: "constant", value: 0 },
        },
      ],
    });
    const [, , , fourth] = run(engine, 4);
    // Usage of ticks 0 to 3: 0, 10, 10, 10.
    expect(fourth?.window).toMatchObject({
      firstTick: 0,
      cpu: { average: 7, min: 0, max: 10 },
      io: { average: 2, min: 0, max: 3 },
      memory: { average: 0, min: 0, max: 0 },
    });
    expect(fourth?.window?.ticks.map((tick) => tick.length)).toEqual([0, 1, 1, 1]);
  });

  it("has windows of 9 to 11 ticks where the window's timer is not the tick's", () => {
    const lengths = run(new Engine(loadParameters("plain"), { runSeed: 3 }), 10_000).flatMap(({ window }) =>
      window ? [window.ticks.length] : [],
    );
    expect([...new Set(lengths)].sort((a, b) => a - b)).toEqual([9, 10, 11]);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(9_985);
  });
});

describe("delay and place", () => {
  it("delay adds to what remains, and knows nothing of what has run", () => {
    const engine = one();
    const id = engine.step().arrived[0]?.id ?? "";
    expect(engine.delay(id, 2)).toBe(true);
    expect(engine.delay(id, 1)).toBe(true);
    const executed = run(engine, 4).map((step) => step.executed.map((entry) => entry.id));
    expect(executed.map((ids) => ids.includes(id))).toEqual([false, false, false, true]);
    expect(engine.delay(id, 1)).toBe(false);
  });

  it("place sets the tick, again and again the same, and never before the default delay or the next tick", () => {
    const engine = one({ defaultDelayTicks: 3 });
    const id = engine.step().arrived[0]?.id ?? "";
    expect(engine.place(id, 10)).toBe(10);
    expect(engine.place(id, 10)).toBe(10);
    expect(engine.place(id, 1)).toBe(3);
    engine.place(id, 8);
    run(engine, 6);
    expect(engine.place(id, 2)).toBe(7);
    expect(engine.step().executed.map((entry) => entry.id)).toContain(id);
    expect(engine.place(id, 9)).toBeUndefined();
  });
});

describe("seeds", () => {
  it("give the same run again; another run seed gives the same queries and costs with other traffic", () => {
    const parameters = loadParameters("default");
    const steps = run(new Engine(parameters, { runSeed: 5 }), 200);
    expect(run(new Engine(parameters, { runSeed: 5 }), 200)).toEqual(steps);
    const other = new Engine(parameters, { runSeed: 6 });
    expect(run(other, 200)).not.toEqual(steps);
    expect(other.truth()).toEqual(new Engine(parameters).truth());
    expect(new Engine({ ...parameters, seed: 2 }).truth()).not.toEqual(other.truth());
  });
});
