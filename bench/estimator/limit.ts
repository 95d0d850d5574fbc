/**
 * What an oracle could know: for each cost, the integers that agree with every window, told all other costs, all
 * executions and the windows' true bounds. No estimator knows more, as none is told the other costs.
 */
import type { Cost, Step } from "../../sim-server/database/engine.ts";

type Window = NonNullable<Step["window"]>;

export interface Limit {
  /** Cost error and exact share if each cost is taken as the middle of what agrees with the windows. */
  readonly limitError: number;
  readonly limitExactShare: number;
}

const resources = ["cpu", "io", "memory"] as const;

export function limit(
  windows: readonly Window[],
  truth: ReadonlyMap<string, Cost>,
  executions: ReadonlyMap<string, number>,
): Limit {
  const windowsOf = Map.groupBy(
    windows.flatMap((window) => Array.from(new Set(window.ticks.flat()), (queryId) => ({ queryId, window }))),
    ({ queryId }) => queryId,
  );
  let all = 0;
  let error = 0;
  let exact = 0;
  for (const [queryId, times] of executions) {
    const cost = truth.get(queryId);
    if (!cost) continue;
    const own = windowsOf.get(queryId)?.map(({ window }) => window) ?? [];
    let right = true;
    cost.forEach((value, r) => {
      const guess = middleOf(own, queryId, truth, r, value);
      error += (times * Math.abs(guess - value)) / Math.max(value, 1) / 3;
      if (Math.round(guess) !== value) right = false;
    });
    all += times;
    if (right) exact += times;
  }
  return { limitError: error / Math.max(all, 1), limitExactShare: exact / Math.max(all, 1) };
}

/** The middle of the integers around the true one that agree with all windows of a query. */
function middleOf(
  windows: readonly Window[],
  queryId: string,
  truth: ReadonlyMap<string, Cost>,
  r: number,
  value: number,
): number {
  const sums = windows.map((window) => ({
    band: window[resources[r] ?? "cpu"],
    ticks: window.ticks.map((tick) => ({
      times: tick.filter((id) => id === queryId).length,
      rest: tick.reduce((sum, id) => sum + (id === queryId ? 0 : (truth.get(id)?.[r] ?? 0)), 0),
    })),
  }));
  const agrees = (cost: number) =>
    sums.every(({ band, ticks }) => {
      const usages = ticks.map(({ times, rest }) => rest + times * cost);
      const average = Math.floor(usages.reduce((sum, usage) => sum + usage, 0) / usages.length);
      return average === band.average && Math.min(...usages) === band.min && Math.max(...usages) === band.max;
    });
  let low = value;
  while (low > 0 && agrees(low - 1)) low--;
  let high = value;
  while (windows.length > 0 && agrees(high + 1)) high++;
  return (low + high) / 2;
}
