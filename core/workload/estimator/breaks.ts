/**
 * Notices that most costs changed at once, as when a server moves to another machine: what windows say since then agrees
 * with itself and not with anything before.
 */
import { type Factors, noFactors } from "./belief.ts";
import type { Columns } from "./columns.ts";
import { buildEquations } from "./equations.ts";
import { type Learned, learn } from "./learn.ts";
import { executionsOf, type StoredWindow } from "./memory.ts";
import { layOut } from "./timeline.ts";

/** Probability that a window fits nothing, or hides executions, above which it is strange. */
const strange = 0.5;
/** Share of the windows since a break that must be strange, and that may be before it and when they are read by themselves. */
const nearlyAll = 0.95;
const mostBefore = 0.5;
const mostByThemselves = 0.2;
/** By how much of its sum the middle one of the windows since a break is off. */
const leastOff = 0.15;
const fewestWindows = 30;
/** Executions of each of their queries from which on windows tell by themselves whether they agree. */
const fewestExecutions = 8;

function isStrange({ propagations }: Learned, w: number): boolean {
  return propagations.some(({ doubted, unseenIn }) => (doubted[w] ?? 0) + (unseenIn[w] ?? 0) > strange);
}

/** Of windows in order of age: the first of the longest row of newest ones that are nearly all strange; undefined when there is none. */
function beginOfBreak(learned: Learned, byAge: readonly number[]): number | undefined {
  let odd = 0;
  let begin: number | undefined;
  for (let i = byAge.length - 1; i >= 0; i--) {
    if (!isStrange(learned, byAge[i] ?? 0)) continue;
    odd++;
    if (odd >= nearlyAll * (byAge.length - i)) begin = i;
  }
  if (begin === undefined) return undefined;
  const before = byAge.slice(0, begin).filter((w) => isStrange(learned, w)).length;
  return begin > 0 && before <= mostBefore * begin ? begin : undefined;
}

function isFarOff({ propagations, equations }: Learned, windows: readonly number[]): boolean {
  return propagations.some(({ statements }, r) => {
    const off = windows
      .map((w) => {
        const { from = 0, to = 0, bands } = equations.spans[w] ?? {};
        return Math.abs(statements.excess(w)) / Math.max((bands?.[3 * r] ?? 0) * (to - from), 1);
      })
      .filter((share) => !Number.isNaN(share))
      .sort((a, b) => a - b);
    return (off[off.length >> 1] ?? 0) > leastOff;
  });
}

export interface Break {
  /** Unix ms: windows that ended by then are of before. */
  readonly after: number;
  /** The windows since then agree with each other, and are enough to begin anew with. */
  readonly sure: boolean;
}

/** @returns undefined where what is strange may be single costs that changed */
export function findBreak(learned: Learned, windows: readonly StoredWindow[], columns: Columns): Break | undefined {
  const byAge = Array.from(windows.keys()).sort((a, b) => (windows[a]?.endedAt ?? 0) - (windows[b]?.endedAt ?? 0));
  const begin = beginOfBreak(learned, byAge);
  if (begin === undefined || !isFarOff(learned, byAge.slice(begin))) return undefined;
  const after = windows[byAge[begin - 1] ?? 0]?.endedAt ?? 0;
  const since = windows.filter(({ endedAt }) => endedAt > after);
  const queries = new Set(since.flatMap(({ ticks }) => ticks.flatMap((tick) => Array.from(tick))));
  const executions = since.reduce((sum, window) => sum + executionsOf(window), 0);
  if (since.length < fewestWindows || executions < fewestExecutions * queries.size) return { after, sure: false };
  const { windows: laidOut, ticks, spans } = layOut(since, columns.of);
  const anchors: Factors[] = [0, 1, 2].map(() => noFactors(columns.list.length));
  const alone = learn(buildEquations(ticks, spans), anchors);
  const odd = laidOut.filter((_, w) => isStrange(alone, w)).length;
  return { after, sure: odd <= mostByThemselves * laidOut.length };
}
