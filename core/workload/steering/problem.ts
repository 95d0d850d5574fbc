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
  readonly bandWidth: number;
  readonly inTime: () => boolean;
}

/** One window's plan, from its first tick to its last. */
export interface WindowPlan {
  /** What runs in the next tick; undefined once the window cannot be in band any more. */
  next(problem: TickProblem): readonly Item[] | undefined;
}

/** How much a delay presses: grows with age, jumps shortly before the budget is exceeded, and again long after. */
export function urgency(age: number, budgetTicks: number, windowTicks: number): number {
  const share = age / budgetTicks;
  if (share > 1.5) return share + 3;
  if (share > 1) return 1.2;
  return age + 2 * windowTicks > budgetTicks ? share + 2 : share;
}
