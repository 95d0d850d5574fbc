import { describe, expect, it } from "@jest/globals";
import { defaultKnobs } from "../../../core/workload/steering/knobs.ts";
import { budgetAdvice } from "../../../services/scheduler/advice.ts";

const clockwork = { tickMs: 100, windowTicks: 10, defaultDelayTicks: 5 };
const advice = (latencyP95Seconds: number, perSecond?: number) =>
  budgetAdvice({ ...defaultKnobs, latencyP95Seconds }, clockwork, perSecond);

describe("advice on a budget that is out of reach", () => {
  it("is silent while the budget is within reach, or nothing ran yet", () => {
    expect([advice(6, 15), advice(4, 15), advice(0.8, 75), advice(1)]).toEqual([null, null, null, null]);
  });

  it("names the smallest feasible one at the rate of arrivals", () => {
    expect(advice(2, 15)).toMatch(/^a budget of 2 s is out of reach at 15.0 executions a second: .* about 4 s/);
    expect(advice(0.6, 75)).toMatch(/the smallest feasible is about 0.8 s/);
  });

  it("knows what the server itself delays", () => {
    expect(advice(0.5, 1_000)).toMatch(/as the server itself delays by 0.5 s: the smallest feasible is about 0.6 s/);
  });
});
