import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { beginEqual } from "./equal-window.ts";
import { Holding } from "./holding.ts";
import type { Item } from "./item.ts";
import { beginLevel } from "./level-window.ts";
import { beginPairs } from "./pairs-window.ts";
import type { TickProblem, WindowPlan } from "./problem.ts";
import { beginSingles } from "./singles-window.ts";

/** From so many arrivals a tick on, a tick takes what comes nearest to the window's level, whatever its number. */
const levelFrom = 5;
/** From so many on, windows of two, three or more a tick follow each other without a gap. */
const equalFrom = 2.05;
/** The backlog left after a window of pairs, as a share of what arrives within the budget. */
const reserveShare = 0.25;
/** Pairs to begin a window with, where gaps are many and where none should be. */
const leastPairs = 9;
const leastPairsWithoutGaps = 7;
/** What has waited for so many budgets has waited far too long. */
const oldInBudgets = 2.2;

/** A window in which nothing needs to be level: it takes, one a tick, what has waited far too long. */
const gap: WindowPlan = {
  next: ({ items, next, budgetTicks }) =>
    items.filter(({ arrivedTick }) => next - arrivedTick > oldInBudgets * budgetTicks).slice(0, 1),
};

/** Plans a window when it begins, mends the plan with what arrives, and says what runs in each of its ticks. */
export class WindowPlanner {
  readonly #random: RandomGenerator;
  readonly #holding = new Holding();
  #plan: WindowPlan = gap;

  constructor(random: RandomGenerator) {
    this.#random = random;
  }

  /** What runs in the next tick. */
  next(problem: TickProblem): readonly Item[] {
    if (problem.position === 0) this.#plan = this.#begin(problem);
    const group = this.#plan.next(problem);
    if (group) return group;
    this.#plan = gap;
    return [];
  }

  #begin(problem: TickProblem): WindowPlan {
    const { backlog, arrivalRate, budgetTicks, windowTicks } = problem;
    const crowded = backlog > 2 * arrivalRate * budgetTicks + 5 * windowTicks;
    if (arrivalRate >= levelFrom || crowded) return beginLevel(problem);
    return arrivalRate >= equalFrom ? this.#withoutGaps(problem) : this.#withGaps(problem);
  }

  /** At least two a tick arrive: every window has to run two or more, as many as the backlog affords. */
  #withoutGaps(problem: TickProblem): WindowPlan {
    const { items, arrivalRate, windowTicks } = problem;
    const perTick = Math.floor((items.length + 0.4 * arrivalRate * windowTicks) / windowTicks - 1.5);
    if (perTick >= 3) return beginEqual(perTick, this.#random);
    const pairs = beginPairs(problem, new Set(), leastPairsWithoutGaps);
    if (pairs) return pairs;
    return items.length >= 3 * windowTicks ? beginEqual(3, this.#random) : gap;
  }

  /** Fewer than two a tick arrive: windows of singles save what windows of pairs use up, and gaps are left between. */
  #withGaps(problem: TickProblem): WindowPlan {
    const { items, arrivalRate, budgetTicks, windowTicks } = problem;
    const held = this.#holding.choose(problem);
    const coming = arrivalRate * (windowTicks - 1.5);
    const reserve = reserveShare * budgetTicks * arrivalRate;
    const affordable = (items.length - held.size + coming - reserve) / windowTicks;
    if (affordable >= (arrivalRate > 1.95 ? 5 : 6.5)) return beginEqual(3, this.#random);
    const singlesFirst = affordable < (arrivalRate < 1.9 ? 4 : 2);
    const pairs = () => (affordable >= 2 ? beginPairs(problem, held, leastPairs) : undefined);
    const singles = () => beginSingles(problem);
    return (singlesFirst ? (singles() ?? pairs()) : (pairs() ?? singles())) ?? gap;
  }
}
