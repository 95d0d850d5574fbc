import { type Item, sumOf } from "./item.ts";
import { nearest } from "./level.ts";
import type { TickProblem, WindowPlan } from "./problem.ts";

/** The backlog aimed at, as a share of what arrives within the budget. */
const reserveShare = 0.55;
/** How far from the window's level a tick aims, relative, to bring the backlog back to what was meant. */
const mostShift = 0.03;
/** The distance from the target that weighs as much as an execution that has waited for its whole budget, times 0.3. */
const tolerance = 0.03;
/** Among these a tick's executions are chosen; what a large tick needs beyond is taken in order of arrival. */
const mostChosenFrom = 120;

/** A window of many executions a tick, as many as bring each tick's usage to the window's level. */
export function beginLevel(first: TickProblem): WindowPlan {
  const mean = meanCost(first);
  const wanted = reserveShare * first.budgetTicks * first.arrivalRate;
  // A backlog far over what was meant is drained within three budgets, not in one window.
  const surplus = Math.max(1, first.backlog / (2 * wanted + first.windowTicks));
  const drained = surplus > 1 ? Math.max(1, (3 * first.budgetTicks) / first.windowTicks) : 1;
  const sum = sumOf(first.items);
  const waiting = (r: number) => ((sum[r] ?? 0) * first.backlog) / Math.max(1, first.items.length);
  const level = mean.map(
    (each, r) =>
      ((waiting(r) - wanted * each) / drained + first.arrivalRate * (first.windowTicks - 1) * each) / first.windowTicks,
  );
  const perTick = Math.max(0.01, (level[0] ?? 0) / Math.max(1e-9, mean[0] ?? 0));
  const meant = first.backlog + (first.arrivalRate - perTick) * first.windowTicks - first.arrivalRate;
  return {
    wanted: undefined,
    next({ items, backlog, position, windowTicks, arrivalRate, budgetTicks, next }) {
      const remaining = windowTicks - position;
      const left = backlog + arrivalRate * (remaining - 1) - perTick * remaining;
      const shift = Math.max(-mostShift, Math.min(mostShift, (0.5 * (left - meant)) / (perTick * remaining)));
      const target = level.map((usage) => usage * (1 + shift));
      const certain = items.slice(0, Math.max(0, Math.floor(perTick - mostChosenFrom / 3)));
      const taken = sumOf(certain);
      const weightOf = ({ arrivedTick }: Item) => 0.3 * ((next - arrivedTick) / budgetTicks) ** 3;
      const chosen = nearest(
        items.slice(certain.length, certain.length + mostChosenFrom),
        target.map((usage, r) => usage - (taken[r] ?? 0)),
        tolerance,
        weightOf,
      );
      return [...certain, ...chosen];
    },
  };
}

/** Of what arrives, or of what waits where nothing has arrived yet. */
function meanCost({ streams, items }: TickProblem): number[] {
  const sum = [0, 0, 0];
  let total = 0;
  const count = (cost: readonly number[], rate: number) => {
    total += rate;
    for (const r of [0, 1, 2] as const) sum[r] = (sum[r] ?? 0) + rate * (cost[r] ?? 0);
  };
  for (const { cost, rate } of streams) count(cost, rate);
  if (total === 0) for (const { cost } of items) count(cost, 1);
  return sum.map((s) => s / Math.max(1e-9, total));
}
