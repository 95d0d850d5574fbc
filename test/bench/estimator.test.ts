import { describe, expect, it } from "@jest/globals";
import { parseEstimatorOptions, run } from "../../bench/estimator.ts";

describe("bench estimator", () => {
  it("gives the same numbers for the same seed, apart from computing time", () => {
    const options = parseEstimatorOptions(["--scenario", "few", "--minutes", "0.5", "--seed", "3"]);
    if (!options) throw new Error("no options");
    const { estimateMs: _, ...first } = run(options);
    const { estimateMs: __, ...again } = run(options);
    expect(again).toEqual(first);
    expect(first).toMatchObject({ minutes: 0.5, windows: 30, costError: 0, exactShare: 1 });
    const { estimateMs: ___, ...other } = run({ ...options, seed: 4 });
    expect(other).not.toEqual(first);
  });

  it("tells nothing of a plain server's bounds", () => {
    const options = parseEstimatorOptions(["--scenario", "few", "--minutes", "0.5", "--server", "plain"]);
    if (!options) throw new Error("no options");
    expect(run(options)).toMatchObject({ costError: 0, exactShare: 1 });
  });

  it.each([
    [["--minutes", "none"], "--minutes takes a number from 0.1 to 10000, not 'none'"],
    [["--seed", "1.5"], "--seed takes a whole number from 0 to 4294967295, not '1.5'"],
    [["--server", "mine"], "--server takes stamped or plain, not 'mine'"],
    [["--sede", "1"], "Unknown option '--sede'"],
  ])("refuses %j in one line", (args, message) => {
    expect(() => parseEstimatorOptions(args)).toThrow(message);
  });
});
