import { describe, expect, it } from "@jest/globals";
import { Allowance } from "../../../services/scheduler/allowance.ts";

const tickMs = 100;

/** Lets time pass in which servers use their parts; `uses` are ms in each tick. */
function setup(servers: number) {
  let now = 0;
  const allowance = new Allowance(() => now);
  for (let index = 0; index < servers; index++) allowance.add(`s${index}`);
  const ticks = (count: number, uses: Readonly<Record<string, number | "all it may">>) => {
    for (let tick = 0; tick < count; tick++) {
      for (const [server, ms] of Object.entries(uses))
        allowance.spend(server, ms === "all it may" ? allowance.budgetMs(tickMs) : ms);
      now += tickMs;
    }
  };
  return { allowance, ticks };
}

describe("the time of a process with several servers", () => {
  it("is unbounded for one, and what the others leave for each of several", () => {
    expect(setup(1).allowance.budgetMs(tickMs)).toBe(Number.POSITIVE_INFINITY);
    const { allowance, ticks } = setup(10);
    expect(allowance.budgetMs(tickMs)).toBeCloseTo(60, 5);
    ticks(100, { s0: 20 });
    expect(allowance.budgetMs(tickMs)).toBeGreaterThan(35);
    expect(allowance.budgetMs(tickMs)).toBeLessThan(45);
  });

  it("is never less than the even part, however much the others take", () => {
    const { allowance, ticks } = setup(10);
    ticks(100, { s0: 90 });
    expect(allowance.budgetMs(tickMs)).toBeCloseTo(6, 5);
  });

  it("is not all taken where everyone takes what he may", () => {
    const { allowance, ticks } = setup(5);
    ticks(200, Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`s${index}`, "all it may" as const])));
    const shares = Array.from({ length: 5 }, (_, index) => allowance.shareOf(`s${index}`));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeLessThan(0.75);
  });

  it("names the one that leaves the others none, and nobody while there is time left", () => {
    const { allowance, ticks } = setup(10);
    ticks(100, { s0: 40, s1: 5 });
    expect(allowance.greediest()).toBeUndefined();
    ticks(100, { s0: 80, s1: 5 });
    expect(allowance.greediest()).toBe("s0");
    allowance.remove("s0");
    ticks(100, { s1: 5 });
    expect(allowance.greediest()).toBeUndefined();
  });

  it("names nobody where all take alike: that is a process with too many servers", () => {
    const { allowance, ticks } = setup(10);
    ticks(100, Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`s${index}`, 9])));
    expect(allowance.greediest()).toBeUndefined();
  });
});
