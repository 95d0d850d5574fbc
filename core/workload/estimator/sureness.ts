/** How sure a cost is, where the Gaussian belief's own variance does not tell it well. */
import type { Columns } from "./columns.ts";
import { buildEquations, windowsOf } from "./equations.ts";
import { type Learned, learn } from "./learn.ts";
import type { StoredWindow } from "./memory.ts";
import { layOut } from "./timeline.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Standard deviations between which an integer cost is weighed integer by integer. */
const least = 0.1;
const most = 2.5;
/** Windows up to which estimates are made again with some of them withheld. */
const mostWindows = 180;
const parts = 5;
/** The same where more executions than this share ran unseen. */
const mostWindowsUnseen = 360;
const muchUnseen = 0.005;
/** By how many sd an integer cost must move with the windows to be taken for less sure than it is believed. */
const far = 5;

/** Per resource, the standard deviation of each column. */
export function standardDeviations(
  learned: Learned,
  columns: Columns,
  windows: readonly StoredWindow[],
): Float64Array[] {
  const believed = learned.propagations.map(({ belief }) => belief.variance.map(math.sqrt));
  if (learned.integer) weighIntegers(learned, believed);
  if (windows.length <= (learned.unseen > muchUnseen ? mostWindowsUnseen : mostWindows))
    withhold(learned, columns, windows, believed);
  return believed;
}

/**
 * Costs that are integers: the law over the integers that one cost may be, from every window of its query by itself (the
 * other costs as believed), instead of the product of Gaussian factors, which is too wide where windows bound a cost from
 * both sides. The standard deviation is that about the mean that is told.
 */
function weighIntegers({ propagations, bounds, equations }: Learned, sd: readonly Float64Array[]): void {
  const isOpen = (r: number, q: number) => (sd[r]?.[q] ?? 0) >= least && (sd[r]?.[q] ?? 0) <= most;
  const openWindows = windowsOf(equations, bounds.candidate, (q) => propagations.some((_, r) => isOpen(r, q)));
  propagations.forEach((propagation, r) => {
    const { belief, anchor, prior } = propagation;
    const own = sd[r];
    for (const [q, windows] of openWindows) {
      if (!own || !isOpen(r, q)) continue;
      const mean = belief.mean[q] ?? 0;
      const reach = 5 * (own[q] ?? 0) + 1;
      const low = math.max(0, math.floor(mean - reach));
      const precision = (anchor.precision[q] ?? 0) + (prior.precision[q] ?? 0);
      const shift = (anchor.shift[q] ?? 0) + (prior.shift[q] ?? 0);
      const values = new Float64Array(math.ceil(mean + reach) - low + 1).map((_, i) => low + i);
      const log = values.map((value) => shift * value - 0.5 * precision * value ** 2);
      for (const w of windows) propagation.statements.addFits(w, q, values, log);
      const top = log.reduce((a, b) => math.max(a, b));
      let mass = 0;
      let square = 0;
      log.forEach((l, i) => {
        mass += math.exp(l - top);
        square += math.exp(l - top) * (low + i - mean) ** 2;
      });
      own[q] = math.sqrt(square / mass);
    }
  });
}

/**
 * Rounds may settle on a wrong tick for many windows' extremes while little is known, or take an unseen execution for a
 * query's cost, and are then sure of it. So the estimate is made again with each fifth of the windows withheld in turn,
 * and a standard deviation is no less than the variance that the delete-a-group jackknife gives (Shao and Tu, The
 * Jackknife and Bootstrap, 1995, 2.3) divided by the number of groups: undivided it holds the truth in 99% of cases, as a
 * fifth of the windows teaches much so early.
 */
function withhold(
  { propagations, integer }: Learned,
  columns: Columns,
  windows: readonly StoredWindow[],
  sd: readonly Float64Array[],
): void {
  const leastMove = integer ? far : 0;
  const squares = sd.map((own) => new Float64Array(own.length));
  for (let part = 0; part < parts; part++) {
    const kept = layOut(
      windows.filter((_, w) => w % parts !== part),
      columns.of,
    );
    if (kept.windows.length === 0) return;
    const equations = buildEquations(kept.ticks, kept.spans);
    learn(equations, columns.anchors, [], undefined, integer).propagations.forEach(({ belief }, r) => {
      squares[r]?.forEach((square, q, all) => {
        const move = math.abs((belief.mean[q] ?? 0) - (propagations[r]?.belief.mean[q] ?? 0));
        const both = math.sqrt((belief.variance[q] ?? 0) + (sd[r]?.[q] ?? 0) ** 2);
        if (move > leastMove * both) all[q] = square + move * move;
      });
    });
  }
  sd.forEach((own, r) => {
    own.forEach((value, q) => {
      own[q] = math.max(value, math.sqrt(((parts - 1) / parts ** 2) * (squares[r]?.[q] ?? 0)));
    });
  });
}
