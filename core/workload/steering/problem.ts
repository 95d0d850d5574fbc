import type { Item } from "./item.ts";
import type { Stream } from "./traffic.ts";

/** What is known when the next tick is planned. Times in ticks. */
export interface TickProblem {
  /** What may run in tick `next`, in order of arrival. */
  readonly items: readonly Item[];
  /** How many wait in all; `items` may be the oldest of them only. */
  readonly backlog: number;
  readonly next: number;
  /** How many ticks of the window lie before `next`, and the believed usages of those that were seen. */
  readonly position: number;
  readonly windowTicks: number;
  readonly realised: readonly (readonly number[])[];
  /** Arrivals per tick, in all and by query. */
  readonly arrivalRate: number;
  readonly streams: readonly Stream[];
  /** The delay that all but a few executions shall keep. */
  readonly budgetTicks: number;
  /** What has waited nearly so long presses: at most `budgetTicks`. */
  readonly dueTicks: number;
  /** How many executions may exceed the budget before more have than the user allows. */
  readonly credit: number;
  /** Whether so many did that what is about to exceed it runs in gaps. */
  readonly overdrawn: boolean;
  readonly bandWidth: number;
  readonly inTime: () => boolean;
}

/** One window's plan, from its first tick to its last. */
export interface WindowPlan {
  /** What runs in the next tick; undefined once the window cannot be in band any more. */
  next(problem: TickProblem): readonly Item[] | undefined;
  /** After `next`: what it may still take in the window's later ticks, of what waits now. Undefined: anything. */
  readonly wanted: ReadonlySet<Item> | undefined;
}

/** From so many arrivals a tick on, windows follow each other without a gap. */
export const steadyFrom = 1.85;

/** What has waited for so many budgets has to run soon: nothing may wait for three. */
const longLate = 2.2;
/** What has waited for so many budgets runs at once, as many a tick as arrive. */
export const longestBudgets = 2.8;

export function isLongLate(age: number, budgetTicks: number): boolean {
  return age > longLate * budgetTicks;
}

/** Where fewer arrive within the budget and windows follow each other, what is late presses at once: nothing is held there. */
const fewWithin = 60;

/** The share of the budget from which on what is late presses again. */
export function pressesAgain({ arrivalRate, budgetTicks }: TickProblem): number {
  return arrivalRate >= steadyFrom && arrivalRate * budgetTicks < fewWithin ? 1 : longLate;
}

/**
 * How much a delay presses: grows with age and jumps two windows before it is due. Once the budget is exceeded, nothing
 * presses any more until it has been exceeded `again` times.
 */
export function urgency(
  age: number,
  { budgetTicks, dueTicks }: Pick<TickProblem, "budgetTicks" | "dueTicks">,
  windowTicks: number,
  again = longLate,
): number {
  const share = age / budgetTicks;
  if (share > again) return share + 3;
  if (share > 1) return 0.05 * share;
  return age + 2 * windowTicks > dueTicks ? share + 2 : share;
}
