import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { beginEqual } from "./equal-window.ts";
import { beginGap, beginUnlevel } from "./gap-window.ts";
import { Holding } from "./holding.ts";
import type { Item } from "./item.ts";
import { beginLevel } from "./level-window.ts";
import { beginPairs } from "./pairs-window.ts";
import { isLongLate, longestBudgets, steadyFrom, type TickProblem, type WindowPlan } from "./problem.ts";
import { beginSingles } from "./singles-window.ts";

/** From so many arrivals a tick on, a tick takes what comes nearest to the window's level, whatever its number. */
const levelFrom = 5;
/** Below so many it does so only where fewer than these come within the budget: equal numbers need more to choose from. */
const levelAlwaysFrom = 6;
const enoughForEqual = 70;
/** The backlog that windows without gaps keep, as a share of what arrives within the budget. */
const backlogShare = 0.6;
/** It is at least so many a tick of a window: fewer leave no choice. */
const leastBacklog = 2.8;
/** No tick holds more than so many times what arrives in one, so that a killed scheduler leaves no burst. */
const mostMeanTicks = 1.5;
/** Windows of three a tick are begun from so many arrivals on, or when the backlog exceeds this share. */
const manyFrom = 2.5;
const fullShare = 0.75;
/** Pairs to begin a window with, where gaps are many and where none should be; in windows of few ticks one fewer than ticks. */
const leastPairs = 4;
const leastPairsWithoutGaps = 7;
/** Where gaps are many and pairs are missing: the chance that what arrives makes them. */
const sureEnough = 0.75;
/** Pairs are made when something not held is due within so many windows, or so many a tick are free... */
const pairsBefore = 1.5;
const plenty = 3;
/** ...and go before singles when so many things will within two. */
const mostPressing = 10;
const pressingWithin = 2;
const gapGain = 1 / 40;

/** Plans a window when it begins, mends the plan with what arrives, and says what runs in each of its ticks. */
export class WindowPlanner {
  readonly #random: RandomGenerator;
  readonly #holding = new Holding();
  #plan: WindowPlan = beginGap([]);
  /** Kept back for windows of singles when the current window began. */
  #held: ReadonlySet<Item> = new Set();
  #gapShare = 0.1;

  constructor(random: RandomGenerator) {
    this.#random = random;
  }

  /** What may still run in the window that the last planned tick belongs to; undefined: anything. */
  get wanted(): ReadonlySet<Item> | undefined {
    return this.#plan.wanted;
  }

  /** What runs in the next tick. */
  next(problem: TickProblem): readonly Item[] {
    if (problem.position === 0) {
      const plan = this.#begin(problem);
      this.#plan = plan ?? beginUnlevel(problem, this.#held);
      this.#gapShare += (Number(plan === undefined) - this.#gapShare) * gapGain;
    }
    const group = this.#plan.next(problem);
    if (group) return group;
    this.#plan = beginGap([]);
    return [];
  }

  #begin(problem: TickProblem): WindowPlan | undefined {
    this.#held = new Set();
    const { backlog, arrivalRate, budgetTicks, windowTicks } = problem;
    const crowded = backlog > 2 * arrivalRate * budgetTicks + 5 * windowTicks;
    const from = arrivalRate * budgetTicks < enoughForEqual ? levelFrom : levelAlwaysFrom;
    if (arrivalRate >= from || crowded) return beginLevel(problem);
    return arrivalRate >= steadyFrom ? this.#withoutGaps(problem) : this.#withGaps(problem);
  }

  /** Nearly two a tick arrive or more: each window runs as many as bring the backlog to what is meant. */
  #withoutGaps(problem: TickProblem): WindowPlan | undefined {
    const { items, arrivalRate, windowTicks, budgetTicks } = problem;
    const target = Math.max(leastBacklog * windowTicks, backlogShare * budgetTicks * arrivalRate);
    const wanted = arrivalRate + (items.length - target) / windowTicks;
    const many = arrivalRate >= manyFrom || items.length > fullShare * budgetTicks * arrivalRate;
    const most = Math.max(2, Math.floor(mostMeanTicks * arrivalRate));
    if (most >= 3 && (wanted >= 4 || (wanted >= 3 && many)))
      return beginEqual(Math.min(most, Math.floor(wanted)), this.#random);
    const least = Math.min(leastPairsWithoutGaps, windowTicks - 1);
    const pairs = () => beginPairs(problem, { held: new Set(), least });
    if (wanted < 2) return beginSingles(problem) ?? pairs();
    const plan = pairs() ?? beginSingles(problem);
    return plan ?? (most >= 3 && items.length >= 3 * windowTicks ? beginEqual(3, this.#random) : undefined);
  }

  /** Fewer than two a tick arrive: windows of singles save what windows of pairs use up, and gaps are left between. */
  #withGaps(problem: TickProblem): WindowPlan | undefined {
    const { items, arrivalRate, budgetTicks, dueTicks, windowTicks, next } = problem;
    // What has to run before a window's end would spoil it; a gap takes it.
    const longest = longestBudgets * budgetTicks - windowTicks;
    if (longest > budgetTicks && items.some(({ arrivedTick }) => next - arrivedTick > longest)) return undefined;
    const held = this.#holding.choose(problem, this.#gapShare);
    this.#held = held;
    const free = items.filter((item) => !held.has(item));
    const nearEnd = (windows: number) =>
      free.filter(({ arrivedTick }) => {
        const age = next - arrivedTick;
        return (age <= budgetTicks && age > dueTicks - windows * windowTicks) || isLongLate(age, budgetTicks);
      }).length;
    const enough = free.length + arrivalRate * (windowTicks - 1.5) >= 2 * windowTicks;
    const pairs = () =>
      enough && (nearEnd(pairsBefore) >= 2 || free.length >= plenty * windowTicks)
        ? beginPairs(problem, {
            held,
            least: Math.min(leastPairs, windowTicks - 1),
            completion: { sure: sureEnough, random: this.#random },
            prospects: this.#holding.prospects,
          })
        : undefined;
    return nearEnd(pressingWithin) < mostPressing
      ? (beginSingles(problem) ?? pairs())
      : (pairs() ?? beginSingles(problem));
  }
}
