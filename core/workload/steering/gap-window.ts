import type { Item } from "./item.ts";
import { longestBudgets, steadyFrom, type TickProblem, type WindowPlan } from "./problem.ts";

/** In a gap runs what has waited so many budgets, or, while the account of late executions is overdrawn, what presses. */
const longestInGaps = 2.5;
const pressesBefore = 1.3;
/** Else so many at the most of what would be late when it ends. */
const mostInGap = 2;

/**
 * A window in which nothing needs to be level: it takes what has waited far too long and, while more is late than the user
 * allows, what will exceed its budget within a window, spread over its ticks; else what is `chosen`, as evenly as it goes.
 */
export function beginGap(chosen: readonly Item[]): WindowPlan {
  let wanted: ReadonlySet<Item> | undefined;
  let left = [...chosen];
  return {
    get wanted() {
      return wanted;
    },
    next({ items, next, budgetTicks, overdrawn, arrivalRate, position, windowTicks }) {
      const press = overdrawn && arrivalRate < steadyFrom;
      const longest = press
        ? budgetTicks - pressesBefore * windowTicks
        : Math.min(longestInGaps * budgetTicks, longestBudgets * budgetTicks - windowTicks);
      const dueBy = (tick: number) => items.filter(({ arrivedTick }) => tick - arrivedTick > longest);
      const due = dueBy(next);
      const waiting = new Set(items);
      left = left.filter((item) => waiting.has(item));
      wanted = new Set([...dueBy(next + windowTicks - position), ...left]);
      if (due.length > 0) return due.slice(0, Math.ceil(due.length / (windowTicks - position)));
      const [first] = left;
      const even = left.length * windowTicks >= chosen.length * (windowTicks - position);
      return first && (even || next - first.arrivedTick >= budgetTicks) ? left.splice(0, 1) : [];
    },
  };
}

/**
 * What a window that cannot be level is used for: it takes what would be late when it ends, or a single execution, as a
 * second in which nothing runs serves nobody. What is held for a window to come is left alone.
 */
export function beginUnlevel(
  { items, next, budgetTicks, windowTicks }: TickProblem,
  held: ReadonlySet<Item>,
): WindowPlan {
  const free = items.filter((item) => !held.has(item));
  const nearLate = free.filter(({ arrivedTick }) => {
    const age = next - arrivedTick;
    return age <= budgetTicks && age + windowTicks > budgetTicks;
  });
  return beginGap(nearLate.length > 0 ? nearLate.slice(0, mostInGap) : free.slice(0, 1));
}
