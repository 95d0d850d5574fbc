/** Lets go of windows that have no more to say, or that there is no room for; their queries keep a summary. */
import type { Columns } from "./columns.ts";
import type { Learned } from "./learn.ts";
import { executionsOf, type Memory, type StoredWindow } from "./memory.ts";

/** Windows younger than this stay: late ones may still come between them, and a change shows only beside its past. */
const keepMs = 10 * 60_000;
/** Relative sd at which a cost is known well enough. */
const known = 0.002;
const knownInteger = 0.1;

/**
 * @param windows as laid out: window w has the equations' span w
 * @param room for how many executions
 */
export function fold(
  memory: Memory,
  windows: readonly StoredWindow[],
  columns: Columns,
  learned: Learned,
  room: number,
): void {
  const newest = windows.reduce((latest, { endedAt }) => Math.max(latest, endedAt), 0);
  const sizes = windows.map(executionsOf);
  let excess = sizes.reduce((sum, size) => sum + size, 0) - room;
  const certain = columns.list.map((_, column) =>
    learned.propagations.every(({ belief }) => {
      const sd = Math.sqrt(belief.variance[column] ?? 0);
      return sd < (learned.integer ? knownInteger : known * Math.max(belief.mean[column] ?? 0, 1));
    }),
  );
  const going: StoredWindow[] = [];
  const gone = new Float64Array(certain.length);
  const all = new Float64Array(certain.length);
  const byAge = Array.from(windows.keys()).sort((a, b) => (windows[a]?.endedAt ?? 0) - (windows[b]?.endedAt ?? 0));
  for (const w of byAge) {
    const window = windows[w];
    if (!window) continue;
    const ran = window.ticks.flatMap((tick) => Array.from(tick, (query) => columns.of(query, window)));
    const strange = learned.propagations.some(({ doubted }) => (doubted[w] ?? 0) > 0.1);
    const settled = window.endedAt < newest - keepMs && !strange && ran.every((column) => certain[column]);
    const goes = excess > 0 || settled;
    for (const column of ran) {
      all[column] = (all[column] ?? 0) + 1;
      if (goes) gone[column] = (gone[column] ?? 0) + 1;
    }
    if (!goes) continue;
    excess -= sizes[w] ?? 0;
    going.push(window);
  }
  if (going.length === 0) return;
  columns.list.forEach(({ version }, column) => {
    const share = (gone[column] ?? 0) / Math.max(all[column] ?? 0, 1);
    if (share === 0) return;
    learned.propagations.forEach(({ belief, prior, costs }, r) => {
      const own = 1 / Math.max(belief.variance[column] ?? 1, 1e-3);
      // What is certain may be counted twice without harm; of the rest, windows get their share of what was learned.
      const rest = certain[column] ? 0 : (prior.precision[column] ?? 0) + (costs.precision[column] ?? 0);
      const restShift = certain[column] ? 0 : (prior.shift[column] ?? 0) + (costs.shift[column] ?? 0);
      const part = certain[column] ? 1 : share;
      const before = version.precision[r] ?? 0;
      const beforeShift = version.shift[r] ?? 0;
      version.precision[r] = before + part * Math.max(own - rest - before, 0);
      if (version.precision[r] === before) return;
      version.shift[r] = beforeShift + part * (own * (belief.mean[column] ?? 0) - restShift - beforeShift);
    });
  });
  memory.forget(going);
}
