/** Learns costs, window bounds and the population of queries together, by rounds over all windows. */

import { Attention } from "./attention.ts";
import { type Factors, noFactors } from "./belief.ts";
import { placeBounds, recordedBounds, type ShiftLaw, uniformShifts } from "./bounds.ts";
import { reconsider } from "./contradictions.ts";
import type { Equations } from "./equations.ts";
import { areIntegers, readCosts } from "./integers.ts";
import { type Evidence, Population } from "./population.ts";
import { Propagation } from "./propagation.ts";
import { executionMoments } from "./scatter.ts";
import { type Bounds, type Hidden, nothingHidden } from "./statements.ts";

export interface Learned {
  readonly equations: Equations;
  /** Per resource. */
  readonly propagations: readonly Propagation[];
  readonly population: Population;
  readonly bounds: Bounds;
  readonly hidden: Hidden;
  readonly shifts: ShiftLaw;
  integer: boolean;
  /** Executions that ran unseen, per one seen. */
  unseen: number;
  /** Since learning began anew. */
  rounds: number;
  /** Executions read in this run, counted each time. */
  work: number;
}

/** A run that goes on from where the last one stood, and leaves to the next what it has no time for. */
export interface Course {
  /** Puts what begins anew where the last run stood; returns the windows of which nothing was read. */
  readonly recall?: ((learned: Learned) => readonly number[]) | undefined;
  /** Which windows' turn it is. */
  readonly turn: number;
  /** Executions, counted each time they are read, after which the run ends. */
  readonly most: number;
}

/** Damps the change of factors in a round: full steps overshoot where windows contradict each other. */
const step = 0.5;
/** Share of the means that may still move when rounds stop: among thousands there is always one. */
const restless = 0.01;
const mostRounds = 40;
/** Rounds from the beginning in which every window is read. */
const youth = 14;
/** Rounds of a run that goes on from another: what is new takes the least, and what then still moves can wait. */
const leastRounds = 5;
const mostRoundsOnward = 20;
/** Rounds between looks at the population once it is known. */
const populationEvery = 4;
/** What a round's work on all windows costs, beside reading them: its share of an execution's reading. */
const aside = 0.3;
/** Log probability of a placement of a window that is not looked at, other than it has. */
const settledElsewhere = -30;
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

/**
 * @param anchors per resource, what is known of the columns beyond the equations
 * @param outsiders columns that the population hardly tells of, as their costs have changed
 * @param course absent: begins anew, and reads every window in every round until beliefs stand still
 * @param integer whether costs are integers, if that is not to be asked
 */
export function learn(
  equations: Equations,
  anchors: readonly Factors[],
  outsiders: readonly number[] = [],
  course?: Course,
  integer?: boolean,
): Learned {
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
  const learned: Learned = {
    equations,
    propagations: all,
    population,
    bounds,
    hidden,
    shifts,
    integer: false,
    unseen: 0.002,
    rounds: 0,
    work: 0,
  };
  const priors = all.map(({ prior }) => prior);
  const refreshPriors = (evidence: readonly Evidence[]) => {
    population.priors(evidence, columns, priors);
    for (const { precision, shift } of priors)
      for (const q of outsiders) {
        precision[q] = outsiderShare * (precision[q] ?? 0);
        shift[q] = outsiderShare * (shift[q] ?? 0);
      }
  };
  const assume = () => {
    const { mean, variance } = population.moments();
    all.forEach(({ assumptions }, r) => {
      assumptions.execution.mean = mean[r] ?? 0;
      assumptions.execution.variance = variance[r] ?? 0;
      assumptions.unseen = learned.unseen;
      assumptions.integer = learned.integer;
    });
  };
  const unread = course?.recall?.(learned);
  if (unread) {
    assume();
    for (const p of all) p.begin();
  } else {
    const nothing = { mean: new Float64Array(columns), variance: new Float64Array(columns).fill(1e9) };
    refreshPriors([nothing, nothing, nothing]);
  }
  for (const p of all) p.solve();
  const attention = course && new Attention(equations, all);
  for (const w of unread ?? []) attention?.wake(w);
  if (course) attention?.takeTurns(course.turn);
  const everything = Int32Array.from(equations.spans.keys());
  const executions = equations.executions.reduce((sum, n) => sum + n, 0);

  const place = (choosy: boolean) => {
    const asleep = (w: number) => choosy && attention?.isAwake(w) === false;
    const fit = (w: number, c: number) => {
      if (asleep(w)) return c === bounds.candidate[w] ? 0 : settledElsewhere;
      return all.reduce((sum, p) => sum + p.statements.fitOf(w, c), 0);
    };
    const placed = placeBounds(equations, fit, shifts);
    let changes = 0;
    placed.candidate.forEach((c, w) => {
      if (asleep(w)) {
        placed.trust[w] = bounds.trust[w] ?? 1;
        placed.candidate[w] = bounds.candidate[w] ?? 0;
        return;
      }
      if (bounds.candidate[w] === c) return;
      changes++;
      for (const p of all) p.forget(w);
      attention?.wake(w);
    });
    bounds.candidate.set(placed.candidate);
    bounds.trust.set(placed.trust);
    return changes;
  };
  const inferred = equations.spans.some(({ leeway }) => leeway > 0);

  const exhausted = () => course !== undefined && learned.work >= course.most;
  const settle = (most: number) => {
    for (let round = 1; round <= most && !exhausted(); round++) {
      const young = learned.rounds < youth;
      learned.rounds++;
      const { rounds } = learned;
      const changes = inferred && rounds % 2 === 0 ? place(!young) : 0;
      const windows = young || !attention ? everything : attention.next();
      let unseen = 0;
      let seen = 0;
      let moving = 0;
      for (const w of windows) learned.work += equations.executions[bounds.candidate[w] ?? 0] ?? 0;
      learned.work += aside * executions;
      for (const p of all) {
        p.readWindows(windows, step);
        readCosts(p.belief, p.costs, p.assumptions.integer, step);
        unseen += p.unseen;
        seen += p.seen;
        moving += p.solve();
      }
      learned.unseen = (unseen + 0.02) / (seen + 10);
      if (rounds >= 4 && (young || !attention || rounds % populationEvery === 0)) {
        const evidence = all.map((p) => p.evidence());
        if (population.explained(evidence, columns) > leastExplained) {
          if (population.size === 1 && rounds >= 8 && columns >= 12) population.split();
          population.refine(evidence, columns);
          population.refine(evidence, columns);
        }
        refreshPriors(evidence);
        assume();
      }
      const enough = unread ? round >= leastRounds : rounds > youth;
      if (enough && moving <= restless * 3 * columns && changes === 0) break;
    }
  };

  // Integers only once nothing contradicts itself: they would fix what is still wrong.
  for (let releases = 0, stage = 0; stage < mostStages; stage++) {
    settle(unread ? mostRoundsOnward : learned.integer ? mostRounds / 2 : mostRounds);
    if (exhausted()) break;
    if (releases < mostReleases) {
      const forgotten = all.flatMap(reconsider);
      if (forgotten.length > 0) {
        releases++;
        for (const w of forgotten) attention?.wake(w);
        for (const p of all) p.solve();
        continue;
      }
    }
    const sure = integer ?? areIntegers(learned, all);
    if (learned.integer === sure) break;
    learned.integer = sure;
    assume();
    for (const w of everything) attention?.wake(w);
  }
  return learned;
}
