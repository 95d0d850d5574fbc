/**
 * Which windows a round reads: all of them while little is known, then only those whose sums are believed otherwise than
 * when they were last read (the residual schedule of Elidan, McGraw, Koller, Residual Belief Propagation, 2006), and a
 * few in turn, so that small moves cannot add up unseen.
 */
import { type Equations, rowSum } from "./equations.ts";
import type { Propagation } from "./propagation.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Move of a sum, in its sd, from which its window is read again. */
const moved = 0.3;
/** Rounds in which a window is read once it is looked at: its factors go half of the way in each. */
const repeats = 4;
/** One in so many windows is read in each run whether or not anything moved. */
const turns = 20;

export class Attention {
  /** Rounds in which each window is still to be read. */
  readonly #left: Uint8Array;
  readonly #equations: Equations;
  readonly #propagations: readonly Propagation[];
  /** Per resource, what was believed of each tick's and each window's sum when its window was last read. */
  readonly #ticks: readonly Float64Array[];
  readonly #totals: readonly Float64Array[];

  constructor(equations: Equations, propagations: readonly Propagation[]) {
    this.#equations = equations;
    this.#propagations = propagations;
    this.#left = new Uint8Array(equations.spans.length);
    this.#ticks = propagations.map(() => new Float64Array(equations.ticks.length));
    this.#totals = propagations.map(() => new Float64Array(equations.spans.length));
    for (let w = 0; w < equations.spans.length; w++) this.#note(w);
  }

  /** Looks at window w from the next round on. */
  wake(w: number): void {
    this.#left[w] = repeats;
  }

  /** Lets every window whose turn it is be read once. */
  takeTurns(turn: number): void {
    for (let w = turn % turns; w < this.#left.length; w += turns) this.#left[w] = math.max(this.#left[w] ?? 0, 1);
  }

  isAwake(w: number): boolean {
    return (this.#left[w] ?? 0) > 0;
  }

  /** The windows to read in this round. */
  next(): Int32Array {
    const windows: number[] = [];
    for (let w = 0; w < this.#left.length; w++) {
      if (this.#left[w] === 0 && this.#hasMoved(w)) this.#left[w] = repeats;
      const left = this.#left[w] ?? 0;
      if (left === 0) continue;
      this.#left[w] = left - 1;
      this.#note(w);
      windows.push(w);
    }
    return Int32Array.from(windows);
  }

  #note(w: number): void {
    const { spans, ticks, totals } = this.#equations;
    this.#propagations.forEach(({ belief, bounds }, r) => {
      const span = spans[w];
      const ofTicks = this.#ticks[r];
      const ofTotals = this.#totals[r];
      if (!span || !ofTicks || !ofTotals) return;
      for (let i = span.from; i < span.to; i++) ofTicks[i] = rowSum(ticks, i, belief.mean);
      ofTotals[w] = rowSum(totals, bounds.candidate[w] ?? 0, belief.mean);
    });
  }

  #hasMoved(w: number): boolean {
    const { spans, ticks, totals } = this.#equations;
    const span = spans[w];
    if (!span) return false;
    for (let r = 0; r < this.#propagations.length; r++) {
      const p = this.#propagations[r];
      if (!p) continue;
      const { mean, variance } = p.belief;
      const differs = (rows: typeof ticks, i: number, before: number) => {
        let sum = 0;
        let spread = 0;
        for (let k = rows.start[i] ?? 0; k < (rows.start[i + 1] ?? 0); k++) {
          const n = rows.count[k] ?? 0;
          const q = rows.column[k] ?? 0;
          sum += n * (mean[q] ?? 0);
          spread += n * n * (variance[q] ?? 0);
        }
        return math.abs(sum - before) > moved * (math.sqrt(spread) + 0.05);
      };
      if (differs(totals, p.bounds.candidate[w] ?? 0, this.#totals[r]?.[w] ?? 0)) return true;
      for (let i = span.from; i < span.to; i++) if (differs(ticks, i, this.#ticks[r]?.[i] ?? 0)) return true;
    }
    return false;
  }
}
