import { describe, expect, it } from "@jest/globals";
import { integersBetween, learn, type TrafficOptions, traffic } from "./traffic.ts";

/** Half width of a normal law's central 90%, in sd. */
const ninety = 1.645;

/** Errors in sd of the costs that are not known to the integer. */
function errorsInSd(seeds: number, options: Partial<TrafficOptions> = {}): number[] {
  return Array.from({ length: seeds }, (_, k) => {
    const world = { queries: 60, windows: 54, seed: k + 1, costs: integersBetween(10, 90) };
    const { windows, truth } = traffic({ ...world, ...options });
    return Array.from(learn(windows).costs, ([id, { mean, sd }]) =>
      mean
        .map((value, r) => ({ away: Math.abs(value - (truth.get(id)?.[r] ?? 0)), sd: sd[r] ?? 0 }))
        .filter((one) => one.sd >= 0.3)
        .map((one) => one.away / one.sd),
    ).flat();
  }).flat();
}

const within = (errors: readonly number[], width: number) =>
  errors.filter((error) => error <= width).length / errors.length;

describe("standard deviations", () => {
  it("are such that 90% intervals hold the truth in 85 to 95% of cases", () => {
    const errors = errorsInSd(10);
    expect(errors.length).toBeGreaterThan(120);
    expect(within(errors, ninety)).toBeGreaterThan(0.85);
    expect(within(errors, ninety)).toBeLessThan(0.95);
    // The planted fault: intervals half as wide fail the same check.
    expect(within(errors, ninety / 2)).toBeLessThan(0.85);
  });

  it("hold the truth also where executions ran unseen, and rounds may settle on something wrong", () => {
    const errors = errorsInSd(3, { unseen: 0.05 });
    expect(errors.length).toBeGreaterThan(300);
    // By the belief's own variance alone it is 0.34.
    expect(within(errors, ninety)).toBeGreaterThan(0.8);
    // Those that are far off and sure of it are fewer than one in a hundred.
    expect(within(errors, 3 * ninety)).toBeGreaterThan(0.99);
    expect(within(errors, ninety / 2)).toBeLessThan(0.8);
  });
});
