/** Short seeded runs of the benches as a user calls them: the keys are fixed, the results have a margin. */
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";

function bench(...args: string[]): Record<string, number> {
  const options = ["--disable-warning=ExperimentalWarning", "bench/main.ts", ...args, "--json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, options, { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return z.record(z.string(), z.number()).parse(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""));
}

describe("bench smoothing", () => {
  const short = ["smoothing", "--minutes", "3", "--warmup", "4", "--seed", "1"];

  it("levels the load within the delay that was asked for", () => {
    const result = bench(...short);
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(
        "windows inBand idleShare deviationP95 arrived executed waitingEnd delayP50 delayP95 delayP99 delayMax peakToMean planMsP50 planMsP99".split(
          " ",
        ),
      ),
    );
    expect(result.windows).toBe(180);
    expect(result.inBand).toBeGreaterThan(0.85);
    expect(result.idleShare).toBeLessThan(0.1);
    expect(result.delayP95).toBeLessThan(9);
  }, 120_000);

  it("sees that nothing is level when nobody plans", () => {
    const result = bench(...short, "--policy", "none");
    expect(result.inBand).toBeLessThan(0.05);
    expect(result.delayP95).toBeLessThan(0.2);
  }, 120_000);
});

describe("bench estimator", () => {
  it("finds the costs in three minutes", () => {
    const result = bench("estimator", "--minutes", "3", "--seed", "1");
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(["minutes", "windows", "costError", "exactShare", "secondsToOnePercent"]),
    );
    expect(result.windows).toBe(180);
    expect(result.costError).toBeLessThan(0.01);
    expect(result.exactShare).toBeGreaterThan(0.9);
    expect(result.secondsToOnePercent).toBeLessThanOrEqual(120);
  }, 120_000);
});
