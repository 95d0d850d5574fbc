import { describe, expect, it } from "@jest/globals";
import { monthlyCost } from "../../bench/cost.ts";

describe("bench cost", () => {
  it("stays below a dollar per million executions at 15 a second, which cannot be below 0.625", () => {
    const { usdPerMillionExecutions, usdPerMillionRecording, usdPerMonthAlwaysOn, usdPerMonth } = monthlyCost(15);
    expect(usdPerMillionRecording).toBeLessThanOrEqual(0.8);
    expect(usdPerMillionExecutions).toBeGreaterThan(0.625);
    expect(usdPerMillionExecutions).toBeLessThanOrEqual(1);
    expect(usdPerMonthAlwaysOn).toBeLessThan(usdPerMonth);
  });

  it("comes close to the price of the writes when there are many", () => {
    expect(monthlyCost(1_500).usdPerMillionExecutions).toBeLessThan(0.68);
  });
});
