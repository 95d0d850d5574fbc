import { describe, expect, it } from "@jest/globals";
import { run } from "../../bench/pacing.ts";

const options = { load: "light", seed: 3, seconds: 60, warmup: 24, costs: "true" } as const;

describe("bench pacing", () => {
  it("gives the same figures for the same seed, and others for another", () => {
    const short = { ...options, seconds: 20, warmup: 5, gate: "evenkeel" } as const;
    const first = run(short);
    expect(run(short)).toEqual(first);
    expect(run({ ...short, seed: 4 })).not.toEqual(first);
  });

  it("is far from level where nothing is delayed, and nearer than the token gate where all is planned", () => {
    const [none = 1, tokens = 1, planned = 0] = (["none", "tokens", "evenkeel"] as const).map(
      (gate) => run({ ...options, gate }).inBand,
    );
    expect(none).toBeLessThan(0.1);
    expect(tokens).toBeLessThan(planned);
    expect(planned).toBeGreaterThan(0.65);
  });

  it("is level in seconds that begin between two windows, too", () => {
    // A planner that levels windows only comes to 0.66 here, this one to 0.83.
    expect(run({ ...options, seconds: 100, gate: "evenkeel" }).inBandAnyPhase).toBeGreaterThan(0.74);
  });

  it("learns costs from nothing within a minute", () => {
    const learned = run({ ...options, seconds: 80, warmup: 48, costs: "learned", gate: "evenkeel" });
    expect(learned.inBand).toBeGreaterThan(0.6);
  });

  it("holds no longer after a phase in which nothing was held than from the start", () => {
    // 13.5 s where what runs unheld does not count as arriving and the time counts.
    const later = run({ ...options, seed: 4, gate: "evenkeel", runs: 2 });
    expect(later.delayP95).toBeLessThan(12.5);
    expect(later.inBand).toBeGreaterThan(0.7);
  });

  it("holds as long after a phase in which nothing was held as from the start", () => {
    // 7.7 s and 0.62 where all that a pool of connections let run bit by bit counts over one distance of bursts.
    const later = run({ ...options, load: "heavy", seed: 1, seconds: 132, warmup: 72, gate: "evenkeel", runs: 3 });
    expect(later.delayP95).toBeGreaterThan(10);
    expect(later.delayP95).toBeLessThan(12.5);
    expect(later.inBand).toBeGreaterThan(0.85);
  });

  it("shows a planner that is told wrong costs", () => {
    const [right, wrong] = (["true", "spoilt"] as const).map(
      (costs) => run({ ...options, gate: "evenkeel", costs }).inBand,
    );
    expect(wrong).toBeLessThan(right ?? 0);
  });
});
