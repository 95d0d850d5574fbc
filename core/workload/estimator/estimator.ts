/** Learns what one execution of each query costs from metrics windows and what ran in them. See docs/estimation.md. */
import type { CostEstimate, Triple, WindowObservation } from "../types.ts";
import { fold } from "./fold.ts";
import { Memory } from "./memory.ts";
import { type Relearned, relearn } from "./relearn.ts";
import { decode, encode } from "./state.ts";
import { standardDeviations } from "./sureness.ts";

export interface Observed {
  /** Windows of which at least one resource can be used. */
  readonly accepted: number;
  /** How often each reason kept a window, or a resource of an accepted one, from being used. */
  readonly rejected: Readonly<Record<string, number>>;
}

export interface Estimates {
  readonly costs: ReadonlyMap<string, CostEstimate>;
  /** For queries never seen: the population of those seen. */
  readonly prior: CostEstimate;
  readonly quality: Readonly<Record<string, number>>;
}

export interface Estimator {
  /** Takes windows in any order; those taken before (by key) are counted as `duplicate`. Never throws. */
  observe(windows: readonly WindowObservation[]): Observed;
  estimate(): Estimates;
  /** All that later estimates need, as JSON bytes. */
  save(): Uint8Array;
}

/** sd below which a cost on the lattice of integers is given as the integer itself: 99.9% sure. */
const sureSd = 0.1;
export interface EstimatorOptions {
  /** Executions that memory holds (60,000: an hour at 15/s); older windows leave a summary of what they said. */
  readonly room?: number;
  /** Ticks in memory up to which each estimate is made afresh (12,000: twenty minutes at ten a second); beyond, it goes on from the last one. */
  readonly afreshUpTo?: number;
  /** Executions that one estimate may read, counted each time (400,000), when it is not made afresh: the next one goes on. */
  readonly mostWork?: number;
}

/** Before anything is known, in percent of a tick: an execution may cost next to nothing or a whole tick. */
const unknown: CostEstimate = { mean: [50, 50, 50], sd: [50, 50, 50], seen: 0, lastSeenAt: 0 };

function estimates(
  memory: Memory,
  { columns, learned: { propagations, population, integer, unseen }, work }: Relearned,
  deviations: readonly Float64Array[],
): Estimates {
  const costs = new Map<string, CostEstimate>();
  let executions = 0;
  let error = 0;
  let sure = 0;
  let changed = 0;
  columns.list.forEach(({ query: { id, seen, lastSeenAt, versions }, current }, column) => {
    if (!current) return;
    const sd = deviations.map((of) => of[column] ?? 0);
    const mean = propagations.map(({ belief }, r) => {
      const value = Math.max(belief.mean[column] ?? 0, 0);
      return integer && (sd[r] ?? 1) < sureSd ? Math.round(value) : value;
    });
    costs.set(id, { mean: triple(mean), sd: triple(sd), seen, lastSeenAt });
    executions += seen;
    if (versions.length > 1) changed++;
    if (integer && sd.every((s) => s < sureSd)) sure += seen;
    // The mean absolute deviation of a normal law is sqrt(2/pi) sd.
    sd.forEach((s, r) => {
      error += (seen * Math.sqrt(2 / Math.PI) * s) / Math.max(mean[r] ?? 0, 1) / 3;
    });
  });
  const { mean, variance } = population.moments();
  return {
    costs,
    prior: { mean: triple(mean), sd: triple(variance.map(Math.sqrt)), seen: 0, lastSeenAt: 0 },
    quality: {
      windows: memory.size,
      queries: costs.size,
      expectedError: error / Math.max(executions, 1),
      exactShare: sure / Math.max(executions, 1),
      integer: Number(integer),
      unseenShare: unseen / (1 + unseen),
      changedQueries: changed,
      work,
    },
  };
}

function triple(values: ArrayLike<number>): Triple {
  return [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
}

function create(
  memory: Memory,
  { room = 60_000, afreshUpTo = 12_000, mostWork = 400_000 }: EstimatorOptions = {},
): Estimator {
  return {
    observe(windows) {
      let accepted = 0;
      const rejected: Record<string, number> = {};
      for (const window of windows) {
        const { taken, faults } = memory.observe(window);
        if (taken) accepted++;
        for (const fault of faults) rejected[fault] = (rejected[fault] ?? 0) + 1;
      }
      // Only a rebuild brings so much at once: what is too old for the memory goes unread.
      memory.makeRoom(3 * room, room);
      return { accepted, rejected };
    },

    estimate() {
      if (memory.queries.length === 0) return { costs: new Map(), prior: unknown, quality: { windows: 0, queries: 0 } };
      const relearned = relearn(memory, { afreshUpTo, mostWork });
      const { columns, windows, learned } = relearned;
      const result = estimates(memory, relearned, standardDeviations(learned, columns, windows));
      fold(memory, windows, columns, learned, room);
      return result;
    },

    save: () => encode(memory),
  };
}

export function createEstimator(options?: EstimatorOptions): Estimator {
  return create(new Memory(), options);
}

/** @throws EstimatorStateError when the bytes are of another version or damaged */
export function restoreEstimator(bytes: Uint8Array, options?: EstimatorOptions): Estimator {
  return create(decode(bytes), options);
}
