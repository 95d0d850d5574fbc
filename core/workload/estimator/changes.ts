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
  /** By how much the cost differs from what is believed, per resource, from then on. */
  readonly shift: readonly number[];
}

/** Log likelihood that a change must gain: small beside the number of places that are tried. */
const leastGain = 16;
/** Beside unseen executions: the chance that a window is odd by itself, and that an odd one's excess agrees with a change. */
const odd = 0.004;
const agrees = 0.25;
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
    const best = bestSplit(learned, own, (w) =>
      mostOf(equations.executions[learned.bounds.candidate[w] ?? 0] ?? 0, learned.unseen),
    );
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

/**
 * The most that one window may say about a change in each resource: log odds against its being odd for another reason
 * and agreeing by chance. What is odd is so in all three resources at once, which share it.
 */
function mostOf(executions: number, unseen: number): number {
  return -Math.log(agrees * Math.min(odd + 1 - Math.exp(-unseen * executions), 1)) / 3;
}

/** Where to split a query's windows, for the greatest gain over all resources. */
function bestSplit(
  { propagations }: Learned,
  own: readonly { readonly window: number; readonly count: number }[],
  mostFrom: (window: number) => number,
): { from: number; gain: number; shift: number[] } {
  const n = own.length;
  const gains = new Float64Array(n);
  // Per resource and split: the change from there on that gains most; 0 if one before it, or none, gains more.
  const shifts = propagations.map(() => new Float64Array(n));
  propagations.forEach((propagation, r) => {
    const ends = n <= 2 * tried ? own : [...own.slice(0, tried), ...own.slice(-tried)];
    const changes = Float64Array.from(
      ends,
      ({ window, count }) => propagation.statements.excess(window) / count,
    ).filter((x) => !Number.isNaN(x));
    const m = changes.length;
    // The last one is no change.
    const fits = new Float64Array(m + 1);
    const moved = new Float64Array(m + 1);
    // gained[i * m + j]: gain of change j over the windows before i.
    const gained = new Float64Array((n + 1) * m);
    own.forEach(({ window, count }, i) => {
      for (let j = 0; j < m; j++) moved[j] = count * (changes[j] ?? 0);
      propagation.statements.shiftedFits(window, moved, fits);
      const most = mostFrom(window);
      for (let j = 0; j < m; j++) {
        const gain = Math.max(-most, Math.min(most, (fits[j] ?? 0) - (fits[m] ?? 0)));
        gained[(i + 1) * m + j] = (gained[i * m + j] ?? 0) + gain;
      }
    });
    for (let i = fewestWindows - 1; i <= n - fewestWindows; i++) {
      let best = 0;
      let shift = 0;
      for (let j = 0; j < m; j++) {
        const before = gained[i * m + j] ?? 0;
        const after = (gained[n * m + j] ?? 0) - before;
        if (Math.max(before, after) <= best) continue;
        best = Math.max(before, after);
        shift = after > before ? (changes[j] ?? 0) : 0;
      }
      gains[i] = (gains[i] ?? 0) + best;
      const own = shifts[r];
      if (own) own[i] = shift;
    }
  });
  let from = 0;
  for (let i = 1; i < n; i++) if ((gains[i] ?? 0) > (gains[from] ?? 0)) from = i;
  return { from, gain: gains[from] ?? 0, shift: shifts.map((of) => of[from] ?? 0) };
}
