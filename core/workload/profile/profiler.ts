/** Learns what executions that last cost, and how long they take, from windows with what ran through them. See docs/estimation.md. */
import type { Estimates, Estimator } from "../estimator/estimator.ts";
import type { CostEstimate, Triple } from "../types.ts";
import { type Fit, fitCosts, type Prior } from "./fit.ts";
import { guesses } from "./guess.ts";
import { type KeptWindow, Memory } from "./memory.ts";
import { rowsOf } from "./rows.ts";
import { decode, encode } from "./state.ts";
import { layOut } from "./timeline.ts";

/** Windows kept; when there are more, the oldest are summarised until so many are left. */
const mostWindows = 1_200;
const keptWindows = 900;
/** The queries that ran longest are fitted; what is guessed of the others stands. */
const mostFitted = 250;
/** Relative sd of a guess, and of one that is the only word on a query. */
const guessSd = 0.2;
const loneSd = 0.5;
/** Windows that tell whether a cost has changed, and by how many sd it must have. */
const recentWindows = 120;
const changedSds = 4;
const memoryResource = 2;

const unknown: CostEstimate = { mean: [50, 0, 0], sd: [50, 1_000, 100], seen: 0, lastSeenAt: 0, durationMs: 50 };

export function createProfiler(): Estimator {
  return profiler(new Memory());
}

/** @throws EstimatorStateError when the bytes are of another version or damaged */
export function restoreProfiler(bytes: Uint8Array): Estimator {
  return profiler(decode(bytes));
}

function profiler(memory: Memory): Estimator {
  return {
    observe(windows) {
      let accepted = 0;
      const rejected: Record<string, number> = {};
      for (const window of windows) {
        const fault = memory.observe(window);
        if (fault === undefined) accepted++;
        else rejected[fault] = (rejected[fault] ?? 0) + 1;
      }
      // Only a rebuild brings so much at once: what is too old for the memory goes unread.
      if (memory.size > 2 * mostWindows) memory.forget(memory.windows.slice(0, -mostWindows));
      return { accepted, rejected };
    },
    estimate() {
      if (memory.queries.length === 0) return { costs: new Map(), prior: unknown, quality: { windows: 0, queries: 0 } };
      return estimate(memory);
    },
    save: () => encode(memory),
  };
}

interface Learned {
  readonly fits: readonly Fit[];
  /** In ms, by query; undefined where none ended in the windows kept. */
  readonly durations: readonly (number | undefined)[];
}

function learn(memory: Memory, windows: readonly KeptWindow[], anchored: boolean): Learned {
  const queries = memory.queries.length;
  const timeline = layOut(windows);
  const ranFor = new Float64Array(queries);
  for (const { query, times, undisturbedMs } of timeline.runs)
    ranFor[query] = (ranFor[query] ?? 0) + times * undisturbedMs;
  const fitted = Array.from(ranFor.keys())
    .filter((query) => (ranFor[query] ?? 0) > 0)
    .sort((a, b) => (ranFor[b] ?? 0) - (ranFor[a] ?? 0))
    .slice(0, mostFitted);
  const column = new Map(fitted.map((query, at) => [query, at]));
  let durations: readonly (number | undefined)[] = [];
  const fits = [0, 1, memoryResource].map((r): Fit => {
    const holds = r === memoryResource;
    const guessed = guesses(timeline, r, queries);
    if (r === 0) durations = guessed.map(({ durationMs }) => durationMs);
    const priors = memory.queries.map(({ anchor }, query): Prior => {
      const cost = holds ? 0 : (guessed[query]?.cost ?? 0);
      const sd = holds ? 1_000 : Math.max(guessSd * cost, 0.05);
      const own = cost > 0 || holds ? 1 / sd ** 2 : 0;
      const said = anchored ? (anchor.precision[r] ?? 0) : 0;
      const precision = own + said;
      return { mean: precision > 0 ? (own * cost + said * (anchor.mean[r] ?? 0)) / precision : 0, precision };
    });
    const rows = rowsOf(timeline, r, holds).map((row) => {
      // What the guess says of the others is taken as given.
      const others = row.parts.filter(([query]) => !column.has(query));
      const given = others.reduce((sum, [query, share]) => sum + share * (priors[query]?.mean ?? 0), 0);
      const parts = row.parts.flatMap(([query, share]) => {
        const at = column.get(query);
        return at === undefined ? [] : [[at, share] as const];
      });
      return { ...row, used: Math.max(0, row.used - given), parts };
    });
    const { mean, sd, background } = fitCosts(
      rows,
      fitted.map((query) => priors[query] ?? { mean: 0, precision: 0 }),
    );
    const of = (values: Float64Array, query: number, other: number) => {
      const at = column.get(query);
      return at === undefined ? other : (values[at] ?? other);
    };
    return {
      mean: Float64Array.from(priors, (prior, query) => of(mean, query, prior.mean)),
      sd: Float64Array.from(priors, (prior, query) =>
        of(sd, query, Math.max(1 / Math.sqrt(prior.precision || 1), loneSd * prior.mean)),
      ),
      background,
    };
  });
  return { fits, durations };
}

function estimate(memory: Memory): Estimates {
  const { windows } = memory;
  const lasting = learn(memory, windows, true);
  const recent = windows.length > 2 * recentWindows ? learn(memory, windows.slice(-recentWindows), false) : undefined;
  const costs = new Map<string, CostEstimate>();
  let [executions, error, changed] = [0, 0, 0];
  memory.queries.forEach((query, q) => {
    const moved = recent !== undefined && recent.durations[q] !== undefined && hasChanged(lasting.fits, recent.fits, q);
    const { fits, durations } = moved ? recent : lasting;
    if (moved) changed++;
    const mean = triple(fits.map((of) => of.mean[q] ?? 0));
    const sd = triple(fits.map((of) => of.sd[q] ?? 0));
    if (moved) query.anchor = { mean, precision: triple(sd.map((s) => 1 / Math.max(1e-6, s ** 2))) };
    const { id, seen, lastSeenAt } = query;
    const durationMs = durations[q] ?? mean[0];
    costs.set(id, { mean, sd, seen, lastSeenAt, durationMs });
    executions += seen;
    error += (seen * Math.sqrt(2 / Math.PI) * sd[0]) / Math.max(mean[0], 1);
  });
  summarise(memory, windows, lasting.fits);
  return {
    costs,
    prior: population([...costs.values()]),
    quality: {
      windows: memory.size,
      queries: costs.size,
      expectedError: error / Math.max(executions, 1),
      changedQueries: changed,
      backgroundCpuMs: lasting.fits[0]?.background ?? 0,
    },
  };
}

/** Whether the latest windows contradict all of them about what a query costs in CPU. */
function hasChanged(lasting: readonly Fit[], recent: readonly Fit[], q: number): boolean {
  const [before, after] = [lasting[0], recent[0]];
  if (!before || !after) return false;
  const sd = Math.hypot(before.sd[q] ?? 0, after.sd[q] ?? 0);
  return Math.abs((after.mean[q] ?? 0) - (before.mean[q] ?? 0)) > changedSds * sd;
}

/** Lets the oldest windows go, their part of what was learned kept as anchors. */
function summarise(memory: Memory, windows: readonly KeptWindow[], fits: readonly Fit[]): void {
  if (windows.length <= mostWindows) return;
  const going = windows.slice(0, windows.length - keptWindows);
  const share = going.length / windows.length;
  memory.queries.forEach((query, q) => {
    const mean = triple(fits.map((of) => of.mean[q] ?? 0));
    const precision = triple(fits.map((of) => share / Math.max(1e-6, (of.sd[q] ?? 1) ** 2)));
    query.anchor = { mean, precision };
  });
  memory.forget(going);
}

/** What a query never seen is taken to cost: as those seen do on average, each counted once. */
function population(costs: readonly CostEstimate[]): CostEstimate {
  const mean = (of: (cost: CostEstimate) => number) => costs.reduce((sum, cost) => sum + of(cost), 0) / costs.length;
  const means = [0, 1, 2].map((r) => mean((cost) => cost.mean[r] ?? 0));
  const sds = means.map((m, r) => Math.sqrt(mean((cost) => ((cost.mean[r] ?? 0) - m) ** 2)) + 0.5 * m);
  return {
    mean: triple(means),
    sd: triple(sds),
    seen: 0,
    lastSeenAt: 0,
    durationMs: mean((cost) => cost.durationMs ?? 0),
  };
}

function triple(values: readonly number[]): Triple {
  return [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
}
