import type { Propagation } from "./propagation.ts";

/**
 * Lets go of what contradicts itself: where many windows with a column fit nothing that is believed, all that was
 * read from them is forgotten, so that they are read afresh in the light of what the other windows say.
 * @returns the windows that were forgotten
 */
export function reconsider(propagation: Propagation): number[] {
  const { equations, bounds, belief, costs, doubted } = propagation;
  const { totals } = equations;
  const { candidate } = bounds;
  const doubts = new Float64Array(belief.mean.length);
  const windows = new Float64Array(doubts.length);
  candidate.forEach((c, w) => {
    for (let k = totals.start[c] ?? 0; k < (totals.start[c + 1] ?? 0); k++) {
      const q = totals.column[k] ?? 0;
      windows[q] = (windows[q] ?? 0) + 1;
      doubts[q] = (doubts[q] ?? 0) + (doubted[w] ?? 0);
    }
  });
  const suspect = doubts.map((doubt, q) => Number(doubt > 0.8 && doubt > 0.25 * (windows[q] ?? 0)));
  const forgotten: number[] = [];
  candidate.forEach((c, w) => {
    if (!totals.column.subarray(totals.start[c], totals.start[c + 1]).some((q) => suspect[q] === 1)) return;
    propagation.forget(w);
    forgotten.push(w);
  });
  suspect.forEach((is, q) => {
    if (is === 0) return;
    costs.precision[q] = 0;
    costs.shift[q] = 0;
  });
  return forgotten;
}
