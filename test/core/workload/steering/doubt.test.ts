import { describe, expect, it } from "@jest/globals";
import type { Engine } from "../../../../sim-server/database/engine.ts";
import { createLoop, exact, shareInBand, truthOf } from "./loop.ts";

describe("steering what it does not know", () => {
  it("delays nothing while no costs are known, and says so", () => {
    const loop = createLoop({ costs: () => new Map() });
    for (let at = 0; at < 200; at++) expect(loop.tick().placements).toEqual([]);
    expect(loop.steering.status()).toMatchObject({
      mode: "learning",
      advice: expect.stringContaining("no costs are known"),
    });
  });

  it("delays nothing while most of the traffic has no known cost", () => {
    const loop = createLoop({ costs: (engine) => new Map([...truthOf(engine)].slice(0, 10)) });
    for (let at = 0; at < 300; at++) loop.tick();
    expect(loop.steering.status().advice).toMatch(/the costs of \d+% of the executions are unknown/);
    expect(loop.tick().placements).toEqual([]);
  });

  it("notices costs that do not fit what the server reports, and begins again when they do", () => {
    const wrong = (engine: Engine) =>
      new Map(
        [...truthOf(engine)].map(
          ([
            id,
            {
              mean: [a, b, c],
            },
          ]) => [id, exact([2 * a, b, c])],
        ),
      );
    const loop = createLoop({ costs: wrong });
    for (let at = 0; at < 300; at++) loop.tick();
    expect(loop.steering.status()).toMatchObject({ mode: "learning", advice: expect.stringContaining("stale") });
    loop.steering.setCosts(truthOf(loop.engine), exact([47, 47, 47]));
    for (let at = 0; at < 300; at++) loop.tick();
    expect(loop.steering.status().mode).toBe("steering");
  });

  it.each([
    [0.01, "steering"],
    [0.12, "learning"],
  ])("with costs known to %d it is %s", (relative, mode) => {
    const uncertain = (engine: Engine) =>
      new Map(
        [...truthOf(engine)].map(([id, cost]) => {
          const [cpu, io, memory] = cost.mean;
          return [id, { ...cost, sd: [relative * cpu, relative * io, relative * memory] as const }];
        }),
      );
    const loop = createLoop({ costs: uncertain });
    let placed = 0;
    for (let at = 0; at < 300; at++) placed += loop.tick().placements.length;
    expect(placed > 0).toBe(mode === "steering");
    expect(loop.steering.status()).toMatchObject({ mode });
  });

  it("goes back to no delays when windows planned by wrong costs do not come, and tries again later", () => {
    // Off by a fifth either way, and sure of it: averages over a window hide it, ticks do not.
    const wrong = (engine: Engine) =>
      new Map(
        [...truthOf(engine)].map(([id, { mean }], at) => {
          const off = (r: number) => 1 + 0.2 * (((at >> r) % 2) * 2 - 1);
          return [id, exact([mean[0] * off(0), mean[1] * off(1), mean[2] * off(2)])];
        }),
      );
    const loop = createLoop({ costs: wrong });
    const steeredIn = (ticks: number) => {
      let steered = 0;
      for (let at = 0; at < ticks; at++) {
        loop.tick();
        if (loop.steering.status().mode === "steering") steered++;
      }
      return steered / ticks;
    };
    steeredIn(400);
    expect(loop.steering.status().advice).toMatch(/windows planned to be level are not.*tried again/);
    expect(steeredIn(1800)).toBeLessThan(0.35);
    // The pause is not cut short by new costs, which come each minute; when it ends, they are tried.
    loop.steering.setCosts(truthOf(loop.engine), exact([47, 47, 47]));
    expect(steeredIn(3600)).toBeGreaterThan(0.3);
  });

  it("runs a query never seen among known ones", () => {
    const loop = createLoop({ costs: (engine) => new Map([...truthOf(engine)].slice(1)) });
    expect(shareInBand(loop, 1000)).toBeGreaterThan(0.3);
  });
});
