/** Learns what one execution of each query costs from metrics windows and what ran in them. See docs/estimation.md. */
import type { CostEstimate, Triple, WindowObservation } from "../types.ts";
import { buildEquations } from "./equations.ts";
import { type Learned, learn } from "./learn.ts";
import { Memory } from "./memory.ts";
import { decode, encode } from "./state.ts";
import { layOut } from "./timeline.ts";

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

function estimates(
  memory: Memory,
  { beliefs, population, integer, unseen }: Learned,
  columns: readonly number[],
): Estimates {
  const costs = new Map<string, CostEstimate>();
  const share = { executions: 0, error: 0, sure: 0 };
  columns.forEach((query, column) => {
    const of = memory.queries[query];
    if (!of) return;
    const sd = beliefs.map(({ variance }) => Math.sqrt(variance[column] ?? 0));
    const mean = beliefs.map((belief, r) => {
      const value = Math.max(belief.mean[column] ?? 0, 0);
      return integer && (sd[r] ?? 1) < sureSd ? Math.round(value) : value;
    });
    costs.set(of.id, { mean: triple(mean), sd: triple(sd), seen: of.seen, lastSeenAt: of.lastSeenAt });
    share.executions += of.seen;
    if (integer && sd.every((s) => s < sureSd)) share.sure += of.seen;
    // The mean absolute deviation of a normal law is sqrt(2/pi) sd.
    sd.forEach((s, r) => {
      share.error += (of.seen * 0.8 * s) / Math.max(mean[r] ?? 0, 1) / 3;
    });
  });
  const { mean, variance } = population.moments();
  const prior = { mean: triple(mean), sd: triple(variance.map(Math.sqrt)), seen: 0, lastSeenAt: 0 };
  const all = Math.max(share.executions, 1);
  return {
    costs,
    prior,
    quality: {
      windows: memory.size,
      queries: columns.length,
      expectedError: share.error / all,
      exactShare: share.sure / all,
      integer: Number(integer),
      unseenShare: unseen / (1 + unseen),
    },
  };
}

function triple(values: ArrayLike<number>): Triple {
  return [values[0] ?? 0, values[1] ?? 0, values[2] ?? 0];
}

function create(memory: Memory): Estimator {
  return {
    observe(windows) {
      let accepted = 0;
      const rejected: Record<string, number> = {};
      for (const window of windows) {
        const { taken, faults } = memory.observe(window);
        if (taken) accepted++;
        for (const fault of faults) rejected[fault] = (rejected[fault] ?? 0) + 1;
      }
      return { accepted, rejected };
    },

    estimate() {
      const { queries, windows } = memory;
      // Sorted by id, so that the order in which windows came does not matter.
      const columns = Array.from(queries.keys()).sort((a, b) =>
        (queries[a]?.id ?? "") < (queries[b]?.id ?? "") ? -1 : 1,
      );
      const columnOf = new Int32Array(queries.length);
      columns.forEach((query, column) => {
        columnOf[query] = column;
      });
      const { ticks, spans } = layOut(windows, (query) => columnOf[query] ?? 0);
      return estimates(memory, learn(buildEquations(ticks, spans), queries.length), columns);
    },

    save: () => encode(memory),
  };
}

export function createEstimator(): Estimator {
  return create(new Memory());
}

/** @throws EstimatorStateError when the bytes are of another version or damaged */
export function restoreEstimator(bytes: Uint8Array): Estimator {
  return create(decode(bytes));
}
