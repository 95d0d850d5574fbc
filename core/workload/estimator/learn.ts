/** Learns costs, window bounds and the population of queries together, by rounds over all windows. */
import { type Factors, noFactors } from "./belief.ts";
import { placeBounds, recordedBounds, uniformShifts } from "./bounds.ts";
import { reconsider } from "./contradictions.ts";
import type { Equations } from "./equations.ts";
import { integrality, readCosts } from "./integers.ts";
import { type Evidence, Population } from "./population.ts";
import { type Bounds, nothingHidden, Propagation } from "./propagation.ts";

export interface Learned {
  /** Per resource. */
  readonly propagations: readonly Propagation[];
  readonly population: Population;
  readonly integer: boolean;
  readonly bounds: Bounds;
  /** Executions that ran unseen, per one seen. */
  readonly unseen: number;
}

/** Damps the change of factors in a round: full steps overshoot where windows contradict each other. */
const step = 0.5;
/** Share of the means that may still move when rounds stop: among thousands there is always one. */
const restless = 0.01;
const mostRounds = 40;
/**
 * Share of the population's variance that must be explained before the population is learned from the costs: with less,
 * small errors in the evidence drive it away from what the windows' scatter says.
 */
const leastExplained = 0.3;
/** How much of the population's word counts for a cost that changed: a dear query may have become dearer than any. */
const outsiderShare = 0.05;
const mostStages = 6;
/** How often what contradicts itself is let go. */
const mostReleases = 3;
/** Log odds at which costs are taken for integers. */
const sureOdds = 8;

/**
 * Mean and variance of an execution's cost in resource r by the method of moments: a window's sum lies around
 * executions * mean with variance (sum of squared counts) * variance.
 */
function executionMoments(
  { spans, totals, executions }: Equations,
  candidate: Int32Array,
  r: number,
): { mean: number; variance: number } {
  let all = 0;
  let usage = 0;
  let squares = 0;
  const sums: { sum: number; count: number }[] = [];
  spans.forEach(({ bands, from, to }, w) => {
    const average = bands[3 * r] ?? Number.NaN;
    if (Number.isNaN(average)) return;
    const c = candidate[w] ?? 0;
    const sum = (average + 0.45) * (to - from);
    const count = executions[c] ?? 0;
    sums.push({ sum, count });
    all += count;
    usage += sum;
    for (let k = totals.start[c] ?? 0; k < (totals.start[c + 1] ?? 0); k++) squares += (totals.count[k] ?? 0) ** 2;
  });
  const mean = usage / Math.max(all, 1);
  const squared = sums.reduce((total, { sum, count }) => total + (sum - count * mean) ** 2, 0);
  return { mean, variance: Math.max(squared / Math.max(squares, 1), (0.2 * mean) ** 2) + 1 };
}

/**
 * @param anchors per resource, what is known of the columns beyond the equations
 * @param outsiders columns that the population hardly tells of, as their costs have changed
 */
export function learn(equations: Equations, anchors: readonly Factors[], outsiders: readonly number[] = []): Learned {
  const columns = anchors[0]?.precision.length ?? 0;
  const bounds = recordedBounds(equations);
  const shifts = uniformShifts(1);
  const moments = [0, 1, 2].map((r) => executionMoments(equations, bounds.candidate, r));
  const population = new Population(moments);
  const hidden = nothingHidden(equations);
  const all = moments.map(
    (execution, r) =>
      new Propagation(equations, bounds, hidden, r, anchors[r] ?? noFactors(columns), {
        integer: false,
        unseen: 0.002,
        execution: { ...execution },
      }),
  );
  const priors = all.map(({ prior }) => prior);
  const nothing = { mean: new Float64Array(columns), variance: new Float64Array(columns).fill(1e9) };
  const refreshPriors = (evidence: readonly Evidence[]) => {
    population.priors(evidence, columns, priors);
    for (const { precision, shift } of priors)
      for (const q of outsiders) {
        precision[q] = outsiderShare * (precision[q] ?? 0);
        shift[q] = outsiderShare * (shift[q] ?? 0);
      }
  };
  refreshPriors([nothing, nothing, nothing]);
  for (const p of all) p.solve();

  const place = () => {
    const placed = placeBounds(equations, (w, c) => all.reduce((sum, p) => sum + p.fitOf(w, c), 0), shifts);
    let changes = 0;
    placed.candidate.forEach((c, w) => {
      if (bounds.candidate[w] === c) return;
      changes++;
      for (const p of all) p.forget(w);
    });
    bounds.candidate.set(placed.candidate);
    bounds.trust.set(placed.trust);
    return changes;
  };
  const inferred = equations.spans.some(({ leeway }) => leeway > 0);

  let rounds = 0;
  const settle = (most: number) => {
    for (let round = 0; round < most; round++) {
      rounds++;
      const changes = inferred && rounds % 2 === 0 ? place() : 0;
      let unseen = 0;
      let seen = 0;
      let moving = 0;
      for (const p of all) {
        p.readWindows(step);
        readCosts(p.belief, p.costs, p.assumptions.integer, step);
        unseen += p.unseen;
        seen += p.seen;
        moving += p.solve();
      }
      if (rounds >= 4) {
        const evidence = all.map((p) => p.evidence());
        if (population.explained(evidence, columns) > leastExplained) {
          if (population.size === 1 && rounds >= 8 && columns >= 12) population.split();
          population.refine(evidence, columns);
          population.refine(evidence, columns);
        }
        refreshPriors(evidence);
        const { mean, variance } = population.moments();
        all.forEach(({ assumptions }, r) => {
          assumptions.execution.mean = mean[r] ?? 0;
          assumptions.execution.variance = variance[r] ?? 0;
          assumptions.unseen = (unseen + 0.02) / (seen + 10);
        });
      }
      if (rounds > 14 && moving <= restless * 3 * columns && changes === 0) break;
    }
  };

  // Integers only once nothing contradicts itself: they would fix what is still wrong.
  let integer = false;
  for (let releases = 0, stage = 0; stage < mostStages; stage++) {
    settle(integer ? mostRounds / 2 : mostRounds);
    if (releases < mostReleases && all.reduce((sum, p) => sum + reconsider(p), 0) > 0) {
      releases++;
      for (const p of all) p.solve();
      continue;
    }
    const sure = all.reduce((sum, p) => sum + integrality(p), 0) > sureOdds;
    if (integer === sure) break;
    integer = sure;
    for (const { assumptions } of all) assumptions.integer = integer;
  }
  return {
    propagations: all,
    population,
    integer,
    unseen: all[0]?.assumptions.unseen ?? 0,
    bounds,
  };
}
