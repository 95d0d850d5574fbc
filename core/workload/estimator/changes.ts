/**
 * Finds queries whose cost changed: a generalised likelihood ratio test (Basseville and Nikiforov, Detection of Abrupt
 * Changes, 1993, 2.4.3) of "from some window on, it costs so much more or less" against "it never changed", on the
 * windows' averages in the light of all that is believed of the other queries.
 */
import type { Equations } from "./equations.ts";
import type { Learned } from "./learn.ts";

export interface Change {
  readonly column: number;
  /** The first window with the new cost. */
  readonly window: number;
}

/** Log likelihood that a change must gain: small beside the number of places that are tried. */
const leastGain = 16;
/** What one window may add or take in one resource: no single one, whatever is wrong with it, makes a change. */
const mostPerWindow = 3;
const fewestWindows = 4;
/** Windows of a query, at either end, whose excess is tried as its change. */
const tried = 8;
/** Windows that fit nothing, or hide executions, that a query must have to be looked at. */
const leastSurprise = 1.5;

/**
 * @param order windows by time
 * @param testable whether a column may change
 * @returns changes, surest first, that do not explain the same windows
 */
export function findChanges(
  equations: Equations,
  learned: Learned,
  order: readonly number[],
  testable: (column: number) => boolean,
): Change[] {
  const { totals } = equations;
  const windows = new Map<number, { window: number; count: number }[]>();
  const surprise = new Map<number, number>();
  for (const w of order) {
    const c = learned.bounds.candidate[w] ?? 0;
    const strange = learned.propagations.reduce((sum, p) => sum + (p.doubted[w] ?? 0) + (p.unseenIn[w] ?? 0), 0) / 3;
    for (let k = totals.start[c] ?? 0; k < (totals.start[c + 1] ?? 0); k++) {
      const column = totals.column[k] ?? 0;
      if (!testable(column)) continue;
      const own = windows.get(column) ?? [];
      own.push({ window: w, count: totals.count[k] ?? 0 });
      windows.set(column, own);
      surprise.set(column, (surprise.get(column) ?? 0) + strange);
    }
  }
  const found: (Change & { gain: number; from: number; own: readonly { window: number }[] })[] = [];
  for (const [column, own] of windows) {
    if ((surprise.get(column) ?? 0) < leastSurprise || own.length < fewestWindows) continue;
    const best = bestSplit(learned, own);
    const at = own[best.from];
    if (at && best.gain > leastGain) found.push({ column, window: at.window, own, ...best });
  }
  found.sort((a, b) => b.gain - a.gain);
  const explained = new Set<number>();
  return found.filter(({ own, from }) => {
    const after = own.slice(from).map(({ window }) => window);
    if (after.filter((w) => explained.has(w)).length * 2 > after.length) return false;
    for (const w of after) explained.add(w);
    return true;
  });
}

/** Where to split a query's windows, for the greatest gain over all resources. */
function bestSplit(
  { propagations }: Learned,
  own: readonly { readonly window: number; readonly count: number }[],
): { from: number; gain: number } {
  const n = own.length;
  // gains[i]: best gain of a change of the windows from i on, or of those before i.
  const gains = new Float64Array(n);
  for (const propagation of propagations) {
    const ends = n <= 2 * tried ? own : [...own.slice(0, tried), ...own.slice(-tried)];
    const changes = Float64Array.from(ends, ({ window, count }) => propagation.excess(window) / count).filter(
      (x) => !Number.isNaN(x),
    );
    const fits = new Float64Array(changes.length + 1);
    const shifts = new Float64Array(changes.length + 1);
    const running = new Float64Array(changes.length);
    // prefix[i * changes + j]: gain of change j over the windows before i.
    const prefix = new Float64Array((n + 1) * changes.length);
    own.forEach(({ window, count }, i) => {
      for (let j = 0; j < changes.length; j++) shifts[j] = count * (changes[j] ?? 0);
      propagation.shiftedFits(window, shifts, fits);
      const unchanged = fits[changes.length] ?? 0;
      for (let j = 0; j < changes.length; j++) {
        const gain = Math.max(-mostPerWindow, Math.min(mostPerWindow, (fits[j] ?? 0) - unchanged));
        running[j] = (running[j] ?? 0) + gain;
        prefix[(i + 1) * changes.length + j] = running[j] ?? 0;
      }
    });
    for (let i = fewestWindows - 1; i <= n - fewestWindows; i++) {
      let best = 0;
      for (let j = 0; j < changes.length; j++) {
        const before = prefix[i * changes.length + j] ?? 0;
        best = Math.max(best, before, (running[j] ?? 0) - before);
      }
      gains[i] = (gains[i] ?? 0) + best;
    }
  }
  let from = 0;
  for (let i = 1; i < n; i++) if ((gains[i] ?? 0) > (gains[from] ?? 0)) from = i;
  return { from, gain: gains[from] ?? 0 };
}
