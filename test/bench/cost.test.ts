import { describe, expect, it } from "@jest/globals";
import { monthlyCost } from "../../bench/cost.ts";

describe("bench cost", () => {
  it("stays below 80 cents per million executions at 15 a second, which cannot be below 0.625", () => {
    for (const rate of [15, 30, 150]) {
      const { usdPerMillionExecutions } = monthlyCost(rate);
      expect(usdPerMillionExecutions).toBeGreaterThan(0.625);
      expect(usdPerMillionExecutions).toBeLessThanOrEqual(0.8);
    }
  });

  it("stays below 20 dollars a month when nothing executes, containers included", () => {
    const { usdPerMonthAlwaysOn, usdPerMonth, ...rest } = monthlyCost(15);
    expect(usdPerMonthAlwaysOn).toBeLessThanOrEqual(20);
    const parts = Object.entries(rest).filter(([name]) => name.endsWith("UsdPerMonthAlwaysOn"));
    expect(parts.reduce((sum, [, usd]) => sum + usd, 0)).toBeCloseTo(usdPerMonthAlwaysOn, 2);
    expect(usdPerMonth).toBeGreaterThan(usdPerMonthAlwaysOn);
  });

  it("comes close to the price of the writes when there are many", () => {
    expect(monthlyCost(1_500).usdPerMillionExecutions).toBeLessThan(0.68);
  });
});
