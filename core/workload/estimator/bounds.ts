/**
 * Where windows of a server that does not tell begin and end: the forward-backward recursion and Viterbi's path over
 * the shifts of successive bounds (Rabiner, A Tutorial on Hidden Markov Models, 1989, III.A and III.B).
 */
import type { Equations } from "./equations.ts";
import type { Bounds } from "./statements.ts";

/** All windows where they were recorded; those of unknown bounds are half trusted until they are placed. */
export function recordedBounds({ spans, candidates, firstCandidate }: Equations): Bounds {
  const candidate = Int32Array.from(spans, (_, w) => {
    const first = firstCandidate[w] ?? 0;
    const own = candidates.slice(first, firstCandidate[w + 1]);
    return (
      first +
      Math.max(
        own.findIndex(({ begins, ends }) => begins === 0 && ends === 0),
        0,
      )
    );
  });
  return { candidate, trust: Float64Array.from(spans, ({ leeway }) => (leeway > 0 ? 0.5 : 1)) };
}

/** Probability of each shift of a bound, by shift + leeway; learned from the placements themselves. */
export type ShiftLaw = Float64Array;

export function uniformShifts(leeway: number): ShiftLaw {
  return new Float64Array(2 * leeway + 1).fill(1 / (2 * leeway + 1));
}

/**
 * Places all windows of unknown bounds anew.
 * @param logProbability log probability of what a window reports under one of its candidates
 * @param law of shifts; replaced by how often each occurs
 * @returns the windows whose candidate changes, with their new ones, and all windows' trust
 */
export function placeBounds(
  equations: Equations,
  logProbability: (window: number, candidate: number) => number,
  law: ShiftLaw,
): Bounds {
  const { spans } = equations;
  const placed = recordedBounds(equations);
  const counts = new Float64Array(law.length).fill(1);
  for (let begin = 0; begin < spans.length; ) {
    let end = begin + 1;
    while (spans[end - 1]?.continued) end++;
    if (spans[begin]?.leeway) placeRun(equations, logProbability, law, begin, end, placed, counts);
    begin = end;
  }
  const all = counts.reduce((sum, count) => sum + count, 0);
  law.set(counts.map((count) => count / all));
  return placed;
}

function placeRun(
  { candidates, firstCandidate }: Equations,
  logProbability: (window: number, candidate: number) => number,
  law: ShiftLaw,
  begin: number,
  end: number,
  placed: Bounds,
  counts: Float64Array,
): void {
  const states = law.length;
  const leeway = (states - 1) / 2;
  const length = end - begin;
  const none = Number.NEGATIVE_INFINITY;
  // Log probability of all up to (forward) and from (backward) bound i, given its shift; best: of the best path to it.
  const forward = new Float64Array((length + 1) * states).fill(none);
  const best = new Float64Array((length + 1) * states).fill(none);
  const backward = new Float64Array((length + 1) * states).fill(none);
  const from = new Int32Array((length + 1) * states);
  const first = firstCandidate[begin] ?? 0;
  const scores = new Float64Array((firstCandidate[end] ?? 0) - first);
  for (let s = 0; s < states; s++) {
    forward[s] = Math.log(law[s] ?? 0);
    best[s] = forward[s] ?? none;
    backward[length * states + s] = 0;
  }
  for (let i = 0; i < length; i++)
    for (let c = firstCandidate[begin + i] ?? 0; c < (firstCandidate[begin + i + 1] ?? 0); c++) {
      const candidate = candidates[c];
      if (!candidate) continue;
      const score = logProbability(begin + i, c) + Math.log(law[candidate.ends + leeway] ?? 0);
      scores[c - first] = score;
      const here = i * states + candidate.begins + leeway;
      const next = (i + 1) * states + candidate.ends + leeway;
      forward[next] = logAdd(forward[next] ?? none, (forward[here] ?? none) + score);
      if ((best[here] ?? none) + score > (best[next] ?? none)) {
        best[next] = (best[here] ?? none) + score;
        from[next] = c;
      }
    }
  for (let i = length - 1; i >= 0; i--)
    for (let c = firstCandidate[begin + i] ?? 0; c < (firstCandidate[begin + i + 1] ?? 0); c++) {
      const candidate = candidates[c];
      if (!candidate) continue;
      const here = i * states + candidate.begins + leeway;
      const next = (i + 1) * states + candidate.ends + leeway;
      backward[here] = logAdd(backward[here] ?? none, (backward[next] ?? none) + (scores[c - first] ?? 0));
    }
  let whole = none;
  let state = leeway;
  for (let s = 0; s < states; s++) {
    const at = length * states + s;
    whole = logAdd(whole, forward[at] ?? none);
    if ((best[at] ?? none) > (best[length * states + state] ?? none)) state = s;
  }
  for (let i = length - 1; i >= 0; i--) {
    const c = from[(i + 1) * states + state] ?? first;
    const candidate = candidates[c];
    if (!candidate) continue;
    const here = i * states + candidate.begins + leeway;
    const next = (i + 1) * states + candidate.ends + leeway;
    placed.candidate[begin + i] = c;
    placed.trust[begin + i] = Math.min(
      Math.exp((forward[here] ?? none) + (scores[c - first] ?? 0) + (backward[next] ?? none) - whole),
      1,
    );
    counts[candidate.ends + leeway] = (counts[candidate.ends + leeway] ?? 0) + 1;
    state = candidate.begins + leeway;
  }
}

function logAdd(a: number, b: number): number {
  if (a === Number.NEGATIVE_INFINITY) return b;
  if (b === Number.NEGATIVE_INFINITY) return a;
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}
