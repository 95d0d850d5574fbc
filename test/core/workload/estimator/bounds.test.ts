import { describe, expect, it } from "@jest/globals";
import { placeBounds, recordedBounds, uniformShifts } from "../../../../core/workload/estimator/bounds.ts";
import { buildEquations, type Span } from "../../../../core/workload/estimator/equations.ts";

/** Three windows of two ticks, whose bounds may be off by one. */
function windows() {
  const spans = [0, 2, 4].map(
    (from): Span => ({ from, to: from + 2, bands: new Float64Array(9), leeway: 1, continued: from < 4 }),
  );
  return buildEquations(
    Array.from({ length: 6 }, (_, i) => Int32Array.of(i)),
    spans,
  );
}

describe("placeBounds", () => {
  it("agrees with trying every path", () => {
    const equations = windows();
    const logProbability = (window: number, candidate: number) => Math.sin(7 * window + 3 * candidate) * 2;
    const placed = placeBounds(equations, logProbability, uniformShifts(1));
    const paths: { candidates: number[]; log: number }[] = [];
    const extend = (candidates: number[], log: number) => {
      const window = candidates.length;
      if (window === 3) return void paths.push({ candidates, log });
      const last = equations.candidates[candidates.at(-1) ?? -1];
      for (let c = equations.firstCandidate[window] ?? 0; c < (equations.firstCandidate[window + 1] ?? 0); c++)
        if (!last || last.ends === equations.candidates[c]?.begins)
          extend([...candidates, c], log + logProbability(window, c));
    };
    extend([], 0);
    const best = paths.reduce((a, b) => (b.log > a.log ? b : a));
    expect(Array.from(placed.candidate)).toEqual(best.candidates);
    const all = paths.reduce((sum, { log }) => sum + Math.exp(log), 0);
    best.candidates.forEach((c, window) => {
      const through = paths.filter(({ candidates }) => candidates[window] === c);
      const probability = through.reduce((sum, { log }) => sum + Math.exp(log), 0) / all;
      expect(placed.trust[window]).toBeCloseTo(probability, 6);
    });
    // The planted fault: the best candidate of each window for itself is no path.
    expect(paths.length).toBeGreaterThan(20);
  });

  it("leaves windows of known bounds alone", () => {
    const equations = buildEquations(
      [Int32Array.of(0), Int32Array.of(1)],
      [{ from: 0, to: 2, bands: new Float64Array(9), leeway: 0, continued: false }],
    );
    expect(placeBounds(equations, () => 0, uniformShifts(1))).toEqual(recordedBounds(equations));
    expect(equations.candidates).toHaveLength(1);
  });

  it("does not move a bound into ticks that are not recorded", () => {
    const { candidates, ticks } = windows();
    for (const { from, to } of candidates) {
      expect(from).toBeGreaterThanOrEqual(0);
      expect(to).toBeLessThanOrEqual(ticks.length);
    }
  });
});
