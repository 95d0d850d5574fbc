import { describe, expect, it } from "@jest/globals";
import { parseSmoothingOptions, simulate } from "../../bench/smoothing.ts";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";

const short = {
  scenario: "default",
  seed: 7,
  minutes: 2,
  warmup: 1,
  costs: "true",
  api: "place",
  latencyP95: 6,
  burst: 3,
} as const;

describe("bench smoothing", () => {
  it("has the design's defaults", () => {
    expect(parseSmoothingOptions([])).toEqual({
      scenario: "default",
      seed: 1,
      minutes: 34,
      warmup: 5,
      costs: "learned",
      policy: "planner",
      api: "place",
      latencyP95: 6,
      burst: defaultKnobs.burst,
      json: false,
    });
  });

  it.each([
    [["--seed=-1"], /--seed must be a whole number/],
    [["--minutes", "none"], /--minutes must be a number above 0/],
    [["--policy", "magic"], /--policy must be one of planner, none, fifo/],
    [["--speed", "9"], /--speed/],
  ])("refuses %j in words", (args, message) => {
    expect(() => parseSmoothingOptions(args)).toThrow(message);
  });

  it("measures no scheduling as what the world does by itself", () => {
    const measures = simulate({ ...short, policy: "none" });
    expect(measures).toMatchObject({ windows: 120, inBand: 0, delayP50: 0.1, delayMax: 0.1 });
  });

  it("shows what /delay costs when the scheduler dies, and that the knob bounds it", () => {
    const burst = (api: "place" | "delay", allowed: number) =>
      simulate({ ...short, minutes: 1, policy: "planner", api, burst: allowed }).burst;
    expect(burst("place", 3)).toBeLessThanOrEqual(1.5);
    expect(burst("delay", 3)).toBeLessThanOrEqual(3.5);
    expect(burst("delay", 1_000)).toBeGreaterThan(6);
  });

  it("shows the planner above fifo, and equal runs for equal seeds", () => {
    const timeless = ({ planMsP50: _, planMsP99: __, ...rest }: ReturnType<typeof simulate>) => rest;
    const planner = simulate({ ...short, policy: "planner" });
    expect(planner.inBand).toBeGreaterThan(simulate({ ...short, policy: "fifo" }).inBand + 0.3);
    expect(timeless(simulate({ ...short, policy: "planner" }))).toEqual(timeless(planner));
  });
});
