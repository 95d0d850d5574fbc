import { describe, expect, it } from "@jest/globals";
import { run } from "../../bench/pacing.ts";

const options = { load: "light", seed: 3, seconds: 60, warmup: 20 } as const;

describe("bench pacing", () => {
  it("gives the same figures for the same seed, and others for another", () => {
    const first = run({ ...options, gate: "evenkeel" });
    expect(run({ ...options, gate: "evenkeel" })).toEqual(first);
    expect(run({ ...options, seed: 4, gate: "evenkeel" })).not.toEqual(first);
  });

  it("is far from level where nothing is delayed, and nearer than the token gate where all is planned", () => {
    const share = (gate: "none" | "tokens" | "evenkeel") => run({ ...options, gate }).inBand;
    expect(share("none")).toBeLessThan(0.1);
    expect(share("tokens")).toBeLessThan(share("evenkeel"));
    expect(share("evenkeel")).toBeGreaterThan(0.6);
  });

  it("shows a planner that is told wrong costs", () => {
    const { inBand } = run({ ...options, gate: "evenkeel" });
    expect(run({ ...options, gate: "evenkeel", spoil: true }).inBand).toBeLessThan(inBand);
  });
});
