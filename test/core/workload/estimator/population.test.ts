import { describe, expect, it } from "@jest/globals";
import { noFactors } from "../../../../core/workload/estimator/belief.ts";
import { Population } from "../../../../core/workload/estimator/population.ts";

/** 60 columns of three profiles, each dear in its own resource; column 60 is known in CPU only, column 61 not at all. */
function evidence() {
  return [0, 1, 2].map((r) => ({
    mean: Float64Array.from({ length: 62 }, (_, q) => (q === 60 ? 60 : q % 3 === r ? 60 : 40) + ((q * 7) % 5) - 2),
    variance: Float64Array.from({ length: 62 }, (_, q) => (q < 60 || (q === 60 && r === 0) ? 1 : 1e9)),
  }));
}

function learned(): { prior: (q: number, r: number) => { mean: number; sd: number } } {
  const population = new Population([0, 1, 2].map(() => ({ mean: 47, variance: 90 })));
  population.split();
  for (let round = 0; round < 30; round++) population.refine(evidence(), 62);
  const priors = [0, 1, 2].map(() => noFactors(62));
  population.priors(evidence(), 62, priors);
  return {
    prior: (q, r) => {
      const precision = priors[r]?.precision[q] ?? 0;
      return { mean: (priors[r]?.shift[q] ?? 0) / precision, sd: 1 / Math.sqrt(precision) };
    },
  };
}

describe("Population", () => {
  it("tells the other resources of a query from the one that is known", () => {
    const { prior } = learned();
    expect(prior(60, 1).mean).toBeCloseTo(40, 0);
    expect(prior(60, 2).mean).toBeCloseTo(40, 0);
    expect(prior(60, 1).sd).toBeLessThan(5);
  });

  it("is wide for a query of which nothing is known", () => {
    const { prior } = learned();
    // A third of the population costs 60, the rest 40.
    expect(Math.abs(prior(61, 1).mean - 46.7)).toBeLessThan(1);
    expect(prior(61, 1).sd).toBeGreaterThan(8);
  });
});
