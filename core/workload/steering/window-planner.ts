import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { exchange } from "./exchange.ts";
import type { Item } from "./item.ts";

export interface TickProblem {
  /** What may run in tick `next`, in order of arrival. */
  readonly items: readonly Item[];
  readonly next: number;
  /** Ticks of the window that have run, and their believed usages: flat, three a tick. */
  readonly position: number;
  readonly windowTicks: number;
  readonly realised: readonly number[];
  /** Per tick. */
  readonly arrivalRate: number;
  readonly budgetTicks: number;
  readonly bandWidth: number;
  readonly inTime: () => boolean;
}

/** Plans a window when it begins, mends the plan with what arrives, and says what runs in each of its ticks. */
export class WindowPlanner {
  readonly #random: RandomGenerator;
  #perTick = 0;
  /** Groups for the window's remaining ticks. */
  #groups: Item[][] = [];

  constructor(random: RandomGenerator) {
    this.#random = random;
  }

  /** What runs in the next tick. */
  next(problem: TickProblem): Item[] {
    const { items, next, position, windowTicks, arrivalRate, budgetTicks } = problem;
    const overdue = items.filter(({ latest }) => latest <= next);
    const remainingTicks = windowTicks - position;
    if (position === 0) {
      const reserve = 0.35 * budgetTicks * arrivalRate;
      this.#perTick = Math.max(
        0,
        Math.floor(Math.min((items.length - reserve) / windowTicks + arrivalRate, items.length / windowTicks)),
      );
      this.#groups = [];
    }
    const perTick = Math.min(this.#perTick, Math.floor(items.length / remainingTicks));
    if (perTick < 1) return overdue;
    const waiting = new Set(items);
    const planned = this.#groups.flat().filter((item) => waiting.has(item));
    const taken = new Set(planned);
    const ordered = [...planned, ...items.filter((item) => !taken.has(item))];
    const plan = exchange(
      { ...problem, items: ordered, perTick, remainingTicks, tries: position === 0 ? 6000 : 1000 },
      this.#random,
    );
    this.#groups = plan.groups.map((group) => group.flatMap((index) => ordered[index] ?? []));
    const group = this.#groups.shift() ?? [];
    return [...new Set([...group, ...overdue])];
  }
}
