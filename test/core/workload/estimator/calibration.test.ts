import { describe, expect, it } from "@jest/globals";
import { integersBetween, learn, traffic } from "./traffic.ts";

/** Half width of a normal law's central 90%, in sd. */
const ninety = 1.645;

/** How often the truth lies within `width` sd of the mean, over costs that are not known to the integer. */
function coverage(width: number): { share: number; cases: number } {
  let cases = 0;
  let held = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const { windows, truth } = traffic({ queries: 60, windows: 45, seed, costs: integersBetween(10, 90) });
    for (const [id, { mean, sd }] of learn(windows).costs)
      mean.forEach((value, r) => {
        if ((sd[r] ?? 0) < 0.3) return;
        cases++;
        if (Math.abs(value - (truth.get(id)?.[r] ?? 0)) <= width * (sd[r] ?? 0)) held++;
      });
  }
  return { share: held / cases, cases };
}

describe("standard deviations", () => {
  it("are such that 90% intervals hold the truth in 85 to 95% of cases", () => {
    const { share, cases } = coverage(ninety);
    expect(cases).toBeGreaterThan(200);
    expect(share).toBeGreaterThan(0.85);
    expect(share).toBeLessThan(0.95);
    // The planted fault: intervals half as wide fail the same check.
    expect(coverage(ninety / 2).share).toBeLessThan(0.85);
  });
});
