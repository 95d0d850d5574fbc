import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { parseEstimatorOptions } from "../../bench/estimator/options.ts";
import { createPlacing } from "../../bench/estimator/placing.ts";
import { score } from "../../bench/estimator/score.ts";
import { run } from "../../bench/estimator.ts";
import { Engine } from "../../sim-server/database/engine.ts";
import { loadParameters } from "../../sim-server/database/parameters.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

describe("bench estimator", () => {
  it("gives the same numbers for the same seed, apart from computing time", () => {
    const options = parseEstimatorOptions(["--scenario", "few", "--minutes", "0.5", "--seed", "3"]);
    if (!options) throw new Error("no options");
    const { result: first } = run(options);
    const { result: again } = run(options);
    expect(again).toEqual(first);
    expect(first).toMatchObject({ minutes: 0.5, windows: 30, exactShare: 1 });
    expect(first.costError).toBeLessThan(0.005);
    const { result: other } = run({ ...options, seed: 4 });
    expect(other).not.toEqual(first);
  });

  it("tells nothing of a plain server's bounds", () => {
    const options = parseEstimatorOptions(["--scenario", "few", "--minutes", "0.5", "--server", "plain"]);
    if (!options) throw new Error("no options");
    expect(run(options).result.exactShare).toBe(1);
  });

  it("makes runs in processes of their own, with the same results", () => {
    const options = parseEstimatorOptions(["--scenario", "few", "--minutes", "0.5", "--every", "10"]);
    if (!options) throw new Error("no options");
    const { result, effort } = run(options, undefined, true);
    // Fewer estimates, and so later ones to see 1% by.
    expect({ ...result, secondsToOnePercent: 0 }).toEqual({ ...run(options).result, secondsToOnePercent: 0 });
    expect(effort.process).toEqual({
      runs: 2,
      cpuMsP50: expect.any(Number),
      cpuMsMax: expect.any(Number),
      secondsInFunctionMax: expect.any(Number),
      rssMbMax: expect.any(Number),
      memoryMegabytes: 512,
    });
  });

  it("gives windows to executions of unsure cost, alone, from when it is told to and until costs are sure", () => {
    const parameters = loadParameters("default");
    const ran = (told: boolean) => {
      const engine = new Engine({ ...parameters, seed: 5 });
      const placing = createPlacing(engine, { steer: false, show: 2, showAfter: 1 / 6, seed: 5 });
      const sure = { mean: [1, 1, 1], sd: [0, 0, 0], seen: 9, lastSeenAt: 0 } as const;
      const costs = new Map(Array.from(engine.truth(), ([queryId]) => [queryId, sure]));
      return Array.from({ length: 210 }, () => {
        const step = engine.step();
        placing.after(step);
        if (told && step.tick === 149) placing.estimated({ costs, prior: sure, quality: {} });
        return step.window?.ticks.flat().length;
      }).filter((executions) => executions !== undefined);
    };
    const alone = (executions: readonly number[]) =>
      executions.flatMap((count, window) => (count === 1 ? [window] : []));
    expect(alone(ran(false))).toEqual([10, 12, 14, 16, 18, 20]);
    expect(alone(ran(true))).toEqual([10, 12, 14]);
  });

  it("counts how much of the truth's cell an interval holds", () => {
    const engine = { truth: () => new Map([["q", [10, 10, 10]]]) } as const;
    const costs = new Map([["q", { mean: [10, 10.5, 14], sd: [0, 1, 1], seen: 1, lastSeenAt: 0 } as const]]);
    const { cellCoverageOfAll, coverage, errorInSd } = score(engine, new Map([["q", 1]]), {
      costs,
      quality: { integer: 1 },
    });
    // Sure: 2 * 1.645 / sqrt(12) of the cell; within 1.7 of 10.5: all of it; 4 away: nothing.
    expect(cellCoverageOfAll).toBeCloseTo((0.9497 + 1 + 0) / 3, 3);
    expect(coverage).toBe(0.5);
    expect(errorInSd).toBeCloseTo(Math.sqrt((0.25 + 16) / 2));
  });

  it.each([
    [["--minutes", "none"], "--minutes takes a number from 0.1 to 10000, not 'none'"],
    [["--seed", "1.5"], "--seed takes a whole number from 0 to 4294967295, not '1.5'"],
    [["--server", "mine"], "--server takes stamped or plain, not 'mine'"],
    [["--seed", "5-3"], "--seed takes a whole number from 5 to 4294967295, not '3'"],
    [["--sede", "1"], "Unknown option '--sede'"],
  ])("refuses %j in one line", (args, message) => {
    expect(() => parseEstimatorOptions(args)).toThrow(message);
  });
});

describe("the estimator", () => {
  it("does not run away with thousands of queries, most of them seldom seen", () => {
    using directory = temporaryDirectory();
    const scenario = join(directory.path, "thousands.json");
    writeFileSync(scenario, JSON.stringify({ queries: 3_000, arrivals: { mean: 1 / 3_000 } }));
    const options = parseEstimatorOptions(["--scenario", scenario, "--minutes", "12", "--every", "720", "--seed", "6"]);
    if (!options) throw new Error("no options");
    // It is 5.3%; with extremes trusted by how many are believed unseen in their window it was 40%.
    expect(run(options).result.wellSeenError).toBeLessThan(0.1);
  }, 60_000);
});
