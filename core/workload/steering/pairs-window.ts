import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { averageOf } from "./band.ts";
import { type Item, sumOf } from "./item.ts";
import { type Pair, type PairPlan, PairSearch, planPairs } from "./pairs.ts";
import { chanceOfCompletion } from "./pairs-chance.ts";
import { pressesAgain, type TickProblem, urgency, type WindowPlan } from "./problem.ts";

/** The most pressing are searched: all that a window takes and so many to choose from; more would cost time without finding more. */
const moreSearched = 60;
/** Averages that are tried for a window, and to mend it; what those are made of that press most, so many each. */
const centresAtFirst = 240;
const centresToMend = 12;
const anchorsAtFirst = 4;
const anchorsToMend = 2;
/** How age and prospects weigh in the choice among what does not press. */
const ageWeight = 0.5;
const prospectWeight = 0.5;

export interface PairsOptions {
  /** Not to be used unless the window would be lost. */
  readonly held: ReadonlySet<Item>;
  /** Pairs to begin with. */
  readonly least: number;
  /** Where pairs are missing: the chance of completion from which on the window is begun, by arrivals drawn with `random`. */
  readonly completion?: { readonly sure: number; readonly random: RandomGenerator };
  /** How near each query's executions are to a window of singles, 0 to 1: those are rather kept for it. */
  readonly prospects?: ReadonlyMap<string, number>;
}

/** A window of two executions a tick. It may begin with fewer pairs than ticks, trusting that what arrives completes it. */
export function beginPairs(problem: TickProblem, options: PairsOptions): WindowPlan | undefined {
  const { held, least, completion, prospects } = options;
  const free = problem.items.filter((item) => !held.has(item));
  if (free.length < 2 * least) return undefined;
  const first = search(free, problem, undefined, weighing(problem, prospects));
  if (first.pairs.length < Math.min(least, problem.windowTicks)) return undefined;
  if (completion && first.pairs.length < problem.windowTicks) {
    const used = new Set(first.pairs.flat());
    const rest = free.filter((item) => !used.has(item));
    if (chanceOfCompletion(first, rest, problem, completion.random) < completion.sure) return undefined;
  }
  let centre = first.centre;
  let planned: Pair[] = [...first.pairs];
  const adopt = (plan: PairPlan) => {
    planned = [...plan.pairs];
    centre = plan.centre;
  };
  let missing = 0;
  return {
    get wanted() {
      return missing > 0 ? undefined : new Set(planned.flat());
    },
    next(now) {
      const waiting = new Set(now.items);
      const need = now.windowTicks - now.position;
      planned = planned.filter((pair) => pair.every((item) => waiting.has(item)));
      const free = now.items.filter((item) => !held.has(item));
      const weigh = weighing(now, prospects);
      const inPlan = new Set(planned.flat());
      // What arrived since may make partners for what will soon be late.
      if (planned.length < need || free.some((item) => !inPlan.has(item) && weigh(item) > 1)) {
        const plan = search(free, now, centre, weigh);
        const worth = (pairs: readonly Pair[]) => pairs.flat().reduce((sum, item) => sum + weigh(item), 0);
        const more = plan.pairs.length - planned.length;
        if (more > 0 || (more === 0 && (planned.length < need || worth(plan.pairs) > worth(planned)))) adopt(plan);
      }
      if (planned.length < Math.min(2, need)) adopt(search(now.items, now, centre, weighing(now)));
      missing = need - planned.length;
      return planned.shift();
    },
  };
}

/** How much each presses to be taken: what will soon be late above 1, the rest by age and prospects. */
function weighing(problem: TickProblem, prospects?: ReadonlyMap<string, number>): (item: Item) => number {
  const { next, windowTicks } = problem;
  const again = pressesAgain(problem);
  return ({ arrivedTick, queryId }) => {
    const pressing = urgency(next - arrivedTick, problem, windowTicks, again);
    if (!prospects || pressing > 1) return pressing;
    return ageWeight * pressing + prospectWeight * (1 - (prospects.get(queryId) ?? 0));
  };
}

function search(
  unsorted: readonly Item[],
  { windowTicks, position, realised, bandWidth, inTime }: TickProblem,
  last: readonly number[] | undefined,
  weigh: (item: Item) => number,
): PairPlan {
  const weights = new Map(unsorted.map((item) => [item, weigh(item)]));
  const weightOf = (item: Item) => weights.get(item) ?? 0;
  const candidates = unsorted.toSorted((a, b) => weightOf(b) - weightOf(a)).slice(0, 2 * windowTicks + moreSearched);
  if (candidates.length < 2) return { pairs: [], centre: last ?? [0, 0, 0] };
  const centres =
    position === 0
      ? centresOf(candidates, anchorsAtFirst, centresAtFirst)
      : centresOf(candidates, anchorsToMend, centresToMend);
  if (last) centres.unshift([...last]);
  for (const centre of centres) clamp(centre, realised, bandWidth);
  return planPairs({
    search: new PairSearch(candidates),
    centres,
    realised,
    need: windowTicks - position,
    width: bandWidth,
    weightOf,
    inTime,
  });
}

/** Averages to try: twice the mean cost, and what the `first` most pressing make with about `most` others in all. */
function centresOf(candidates: readonly Item[], first: number, most: number): number[][] {
  const centres = [averageOf(candidates.map(({ cost }) => cost)).map((mean) => 2 * mean)];
  const step = Math.max(1, (candidates.length * first) / most);
  for (const [i, one] of candidates.slice(0, first).entries()) {
    for (let at = i + 1; at < candidates.length; at += step) {
      const other = candidates[Math.floor(at)];
      if (other) centres.push(sumOf([one, other]));
    }
  }
  return centres;
}

/** Moves an average to where everything that has run is in band. */
function clamp(centre: number[], realised: readonly (readonly number[])[], width: number): void {
  if (realised.length === 0) return;
  for (const r of [0, 1, 2] as const) {
    const usages = realised.map((usage) => usage[r] ?? 0);
    const low = Math.max(...usages) / (1 + width);
    const high = Math.min(...usages) / (1 - width);
    centre[r] = Math.min(high, Math.max(low, centre[r] ?? 0));
  }
}
