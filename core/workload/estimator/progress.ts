/**
 * Where a run's rounds stood, kept for the next one, which goes on from there: factors with their windows, beliefs with
 * the versions of costs. It can always be left out; learning then begins anew.
 */
import { noFactors } from "./belief.ts";
import type { Columns } from "./columns.ts";
import type { Learned } from "./learn.ts";
import type { Memory, Progress, StoredWindow } from "./memory.ts";
import { cases } from "./statements.ts";

/** Per resource of a window: precision and shift of its sum, how doubted, how many ran unseen, likelihoods of that; then two a tick. */
const perWindow = 4 + cases;
/** A window's shifts of begin and end, and trust. */
const placing = 3;
/** Per resource of a version: mean, variance, precision and shift from the population and from what is known of costs. */
const perVersion = 6;

/** Numbers kept with a window of so many ticks, and with a version. */
export const factorsOfWindow = (ticks: number): number => placing + 3 * (perWindow + 2 * ticks);
export const factorsOfVersion = 3 * perVersion;

/** Leaves in `memory` where `learned` stands. */
export function remember(memory: Memory, learned: Learned, windows: readonly StoredWindow[], columns: Columns): void {
  const { equations, bounds, hidden, propagations } = learned;
  windows.forEach((window, w) => {
    const span = equations.spans[w];
    const candidate = equations.candidates[bounds.candidate[w] ?? 0];
    if (!span || !candidate) return;
    const factors = new Float32Array(factorsOfWindow(span.to - span.from));
    let at = 0;
    const put = (value: number | undefined) => {
      factors[at++] = value ?? 0;
    };
    put(candidate.begins);
    put(candidate.ends);
    put(bounds.trust[w]);
    propagations.forEach(({ totals, ticks, doubted, unseenIn }, r) => {
      for (const values of [totals.precision, totals.shift, doubted, unseenIn]) put(values[w]);
      for (let k = 0; k < cases; k++) put(hidden[r]?.[cases * w + k]);
      for (let i = span.from; i < span.to; i++) {
        put(ticks.precision[i]);
        put(ticks.shift[i]);
      }
    });
    window.factors = factors;
  });
  columns.list.forEach(({ version }, q) => {
    version.factors = Float32Array.from(
      propagations.flatMap(({ belief, prior, costs }) =>
        [belief.mean, belief.variance, prior.precision, prior.shift, costs.precision, costs.shift].map(
          (of) => of[q] ?? 0,
        ),
      ),
    );
  });
  memory.progress = {
    runs: (memory.progress?.runs ?? 0) + 1,
    rounds: learned.rounds,
    integer: learned.integer,
    unseen: learned.unseen,
    components: learned.population.save(),
    shifts: Array.from(learned.shifts),
  };
}

/**
 * Puts `learned`, as begun anew, where `remember` left it. What is new since has no factors yet.
 * @returns the windows of which nothing has been read
 */
export function recall(
  progress: Progress,
  learned: Learned,
  windows: readonly StoredWindow[],
  columns: Columns,
): readonly number[] {
  const { equations, bounds, hidden, propagations } = learned;
  learned.rounds = progress.rounds;
  learned.integer = progress.integer;
  learned.unseen = progress.unseen;
  learned.population.restore(progress.components);
  learned.shifts.set(progress.shifts);
  const unread: number[] = [];
  windows.forEach(({ factors }, w) => {
    const span = equations.spans[w];
    if (!span || factors?.length !== factorsOfWindow(span.to - span.from)) {
      unread.push(w);
      return;
    }
    let at = 0;
    const get = () => factors[at++] ?? 0;
    const begins = get();
    const ends = get();
    const first = equations.firstCandidate[w] ?? 0;
    const own = equations.candidates
      .slice(first, equations.firstCandidate[w + 1])
      .findIndex((candidate) => candidate.begins === begins && candidate.ends === ends);
    const trust = get();
    if (own >= 0) {
      bounds.candidate[w] = first + own;
      bounds.trust[w] = trust;
    }
    propagations.forEach(({ totals, ticks, doubted, unseenIn }, r) => {
      for (const values of [totals.precision, totals.shift, doubted, unseenIn]) values[w] = get();
      const likelihood = hidden[r];
      for (let k = 0; k < cases; k++) {
        const value = get();
        if (likelihood) likelihood[cases * w + k] = value;
      }
      for (let i = span.from; i < span.to; i++) {
        ticks.precision[i] = get();
        ticks.shift[i] = get();
      }
    });
    if (own < 0) {
      for (const p of propagations) p.forget(w);
      unread.push(w);
    }
  });
  const count = columns.list.length;
  const nothing = { mean: new Float64Array(count), variance: new Float64Array(count).fill(1e9) };
  const fresh = propagations.map(() => noFactors(count));
  learned.population.priors([nothing, nothing, nothing], count, fresh);
  propagations.forEach(({ belief, prior, costs, anchor }, r) => {
    columns.list.forEach(({ version: { factors } }, q) => {
      if (factors?.length === factorsOfVersion) {
        const at = perVersion * r;
        [belief.mean, belief.variance, prior.precision, prior.shift, costs.precision, costs.shift].forEach((of, k) => {
          of[q] = factors[at + k] ?? 0;
        });
        return;
      }
      prior.precision[q] = fresh[r]?.precision[q] ?? 0;
      prior.shift[q] = fresh[r]?.shift[q] ?? 0;
      const precision = (prior.precision[q] ?? 0) + (anchor.precision[q] ?? 0);
      belief.variance[q] = 1 / precision;
      belief.mean[q] = ((prior.shift[q] ?? 0) + (anchor.shift[q] ?? 0)) / precision;
    });
  });
  return unread;
}
