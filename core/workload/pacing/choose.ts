/** What to start, by the gap that is left: the subset whose sum comes nearest, of the most pressing. */

export interface Candidate {
  /** What it would use of the gap. */
  readonly size: number;
  /** How much it is to be preferred: summed over what is chosen. */
  readonly value: number;
}

const bins = 240;
/** Sums beyond twice the gap are never nearer to it than nothing. */
const mostOver = 1;
/** Sums within this share of the gap count as equal to it: among them the value decides. */
const tolerance = 0.015;

/**
 * The subset of candidates whose sizes sum up nearest to `gap`, and among those that come within the tolerance the one of
 * the highest value: dynamic programming over sums (R. Bellman, 1957), on a grid of `bins` to the gap.
 * @param overPrice what a unit beyond the gap counts for, where a unit short of it counts for 1
 * @returns indexes of the candidates chosen, ascending
 */
export function chooseSubset(candidates: readonly Candidate[], gap: number, overPrice = 1): number[] {
  if (gap <= 0 || candidates.length === 0) return [];
  const step = gap / bins;
  const most = bins + Math.ceil(bins * mostOver);
  const best = new Float64Array(most + 1).fill(Number.NEGATIVE_INFINITY);
  best[0] = 0;
  // taken[c * width + s]: whether candidate c is in the best subset of sum s among the first c + 1.
  const width = most + 1;
  const taken = new Uint8Array(candidates.length * width);
  candidates.forEach(({ size, value }, c) => {
    const cells = Math.max(1, Math.round(size / step));
    for (let s = most; s >= cells; s--) {
      const before = best[s - cells] ?? Number.NEGATIVE_INFINITY;
      if (before + value > (best[s] ?? Number.NEGATIVE_INFINITY)) {
        best[s] = before + value;
        taken[c * width + s] = 1;
      }
    }
  });
  let chosen = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let s = 0; s <= most; s++) {
    const value = best[s] ?? Number.NEGATIVE_INFINITY;
    if (value === Number.NEGATIVE_INFINITY) continue;
    const distance = Math.max(0, (s > bins ? overPrice * (s - bins) : bins - s) / bins - tolerance);
    if (distance < least || (distance === least && value > (best[chosen] ?? 0))) {
      least = distance;
      chosen = s;
    }
  }
  const result: number[] = [];
  for (let c = candidates.length - 1, s = chosen; c >= 0 && s > 0; c--) {
    if (!taken[c * width + s]) continue;
    result.push(c);
    s -= Math.max(1, Math.round((candidates[c]?.size ?? 0) / step));
  }
  return result.reverse();
}
