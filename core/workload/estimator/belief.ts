/** A Gaussian belief about all columns' costs in one resource: the product of factors on columns and on sums of them. */
import type { Rows } from "./equations.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/** Gaussian factors exp(-precision x^2 / 2 + shift x). */
export interface Factors {
  readonly precision: Float64Array;
  readonly shift: Float64Array;
}

export function noFactors(length: number): Factors {
  return { precision: new Float64Array(length), shift: new Float64Array(length) };
}

/** Factors on sums: factor f is on row which[f], or on row f. */
export interface RowFactors extends Factors {
  readonly rows: Rows;
  readonly which?: Int32Array;
}

export interface Normal {
  mean: number;
  variance: number;
}

/** Moves factor `i` by `step` towards what turns the cavity N(mean, variance) into the tilted moments. */
export function settle(own: Factors, i: number, mean: number, variance: number, tilted: Normal, step: number): void {
  const after = math.max(tilted.variance, 1e-4 * math.min(variance, 1), 1e-6);
  const precision = math.max(1 / after - 1 / variance, 0);
  const shift = precision === 0 ? 0 : tilted.mean / after - mean / variance;
  own.precision[i] = (1 - step) * (own.precision[i] ?? 0) + step * precision;
  own.shift[i] = (1 - step) * (own.shift[i] ?? 0) + step * shift;
}

const rowOf = ({ which }: RowFactors, f: number): number => (which ? (which[f] ?? 0) : f);

/** Enough, as every round goes on from where the last one stopped. */
const mostIterations = 12;
const tolerance = 1e-2;
const sweepsToBegin = 4;

/**
 * Means by conjugate gradients (Golub and Van Loan, Matrix Computations, 11.3), exact; variances by
 * Gaussian belief propagation (Weiss and Freeman, Neural Computation 13, 2001), near to exact where windows share few
 * columns. Work and memory grow with the entries of the rows, not with the square of the columns.
 */
export class Belief {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** Per set of factors and entry of its rows: the precision that the row's factor gives to the entry's column. */
  readonly #given = new Map<RowFactors, Float64Array>();

  constructor(columns: number) {
    this.mean = new Float64Array(columns);
    this.variance = new Float64Array(columns);
  }

  /** Takes in the factors' present values: `columns` one per column. */
  update(columns: Factors, rowFactors: readonly RowFactors[]): void {
    for (let sweep = 0; sweep < 2; sweep++) this.#spread(columns, rowFactors);
    this.#solve(columns, rowFactors);
  }

  /** Works out messages anew for means and variances as they stand. */
  begin(columns: Factors, rowFactors: readonly RowFactors[]): void {
    this.#spread(columns, rowFactors, 1);
    for (let sweep = 0; sweep < sweepsToBegin; sweep++) this.#spread(columns, rowFactors);
  }

  #givenBy(factors: RowFactors): Float64Array {
    let given = this.#given.get(factors);
    if (!given) {
      given = new Float64Array(factors.rows.column.length);
      this.#given.set(factors, given);
    }
    return given;
  }

  /** One sweep: each row gives its columns what its factor says once the other columns' variances are allowed for. */
  #spread(columns: Factors, rowFactors: readonly RowFactors[], step = 0.5): void {
    const total = Float64Array.from(columns.precision);
    for (const factors of rowFactors) {
      const given = this.#givenBy(factors);
      const { start, column, count } = factors.rows;
      for (let f = 0; f < factors.precision.length; f++) {
        const precision = factors.precision[f] ?? 0;
        const i = rowOf(factors, f);
        const begin = start[i] ?? 0;
        const end = start[i + 1] ?? 0;
        const variance = precision === 0 ? 0 : this.#varianceWithout(factors, i, i);
        for (let k = begin; k < end; k++) {
          const q = column[k] ?? 0;
          if (precision === 0) {
            given[k] = 0;
            continue;
          }
          const square = (count[k] ?? 0) ** 2;
          const others = math.max(variance - square * this.#columnWithout(q, given[k] ?? 0), 0);
          const next = square / (1 / precision + others);
          given[k] = (1 - step) * (given[k] ?? 0) + step * next;
          total[q] = (total[q] ?? 0) + (given[k] ?? 0);
        }
      }
    }
    for (let q = 0; q < total.length; q++) this.variance[q] = 1 / (total[q] ?? 1);
  }

  #columnWithout(q: number, given: number): number {
    const variance = this.variance[q] ?? 0;
    return variance / math.max(1 - given * variance, 1e-3);
  }

  /** Variance of `row`'s sum without what the factor on row `own` gives to the columns that both share. */
  #varianceWithout(factors: RowFactors, own: number, row: number): number {
    const given = this.#givenBy(factors);
    const { start, column, count } = factors.rows;
    let sum = 0;
    let l = start[own] ?? 0;
    const last = start[own + 1] ?? 0;
    for (let k = start[row] ?? 0; k < (start[row + 1] ?? 0); k++) {
      const q = column[k] ?? 0;
      while (l < last && (column[l] ?? 0) < q) l++;
      const shared = l < last && column[l] === q ? (given[l] ?? 0) : 0;
      sum += (count[k] ?? 0) ** 2 * this.#columnWithout(q, shared);
    }
    return sum;
  }

  /** Writes to `out` what is believed of a row's sum if factor `f` of `factors` were not there. */
  without(factors: RowFactors, f: number, row: number, out: Normal): void {
    const own = rowOf(factors, f);
    const precision = factors.precision[f] ?? 0;
    const { start, column, count } = factors.rows;
    out.variance = math.max(this.#varianceWithout(factors, own, row), 1e-9);
    out.mean = 0;
    for (let k = start[row] ?? 0; k < (start[row + 1] ?? 0); k++)
      out.mean += (count[k] ?? 0) * (this.mean[column[k] ?? 0] ?? 0);
    if (precision === 0) return;
    // The own row's mean without the factor is moved by `away`; its columns share that by their variances.
    let ownMean = 0;
    let spread = 0;
    for (let k = start[own] ?? 0; k < (start[own + 1] ?? 0); k++) {
      const q = column[k] ?? 0;
      ownMean += (count[k] ?? 0) * (this.mean[q] ?? 0);
      spread += (count[k] ?? 0) ** 2 * (this.variance[q] ?? 0);
    }
    const ownVariance = row === own ? out.variance : this.#varianceWithout(factors, own, own);
    const away = ownVariance * (precision * ownMean - (factors.shift[f] ?? 0));
    if (row === own) {
      out.mean += away;
      return;
    }
    let l = start[own] ?? 0;
    const last = start[own + 1] ?? 0;
    for (let k = start[row] ?? 0; k < (start[row + 1] ?? 0); k++) {
      const q = column[k] ?? 0;
      while (l < last && (column[l] ?? 0) < q) l++;
      if (l < last && column[l] === q)
        out.mean += ((count[k] ?? 0) * (count[l] ?? 0) * (this.variance[q] ?? 0) * away) / math.max(spread, 1e-9);
    }
  }

  /**
   * Writes to `out` what is believed of the sum of row `f`'s columns but `q`, if the row's factor were not there.
   * @param least variance that each other cost is given at least
   * @returns how often `q` is in the row
   */
  rest(factors: RowFactors, f: number, q: number, out: Normal, least = 0): number {
    const own = rowOf(factors, f);
    const given = this.#givenBy(factors);
    const { start, column, count } = factors.rows;
    let times = 0;
    let sum = 0;
    let sumMean = 0;
    let sumVariance = 0;
    let spread = 0;
    let share = 0;
    out.variance = 1e-9;
    for (let k = start[own] ?? 0; k < (start[own + 1] ?? 0); k++) {
      const other = column[k] ?? 0;
      const n = count[k] ?? 0;
      const without = n * n * math.max(this.#columnWithout(other, given[k] ?? 0), least);
      const now = n * n * (this.variance[other] ?? 0);
      sumMean += n * (this.mean[other] ?? 0);
      sumVariance += without;
      spread += now;
      if (other === q) {
        times = n;
        continue;
      }
      sum += n * (this.mean[other] ?? 0);
      share += now;
      out.variance += without;
    }
    const precision = factors.precision[f] ?? 0;
    const away = precision === 0 ? 0 : sumVariance * (precision * sumMean - (factors.shift[f] ?? 0));
    out.mean = sum + (away * share) / math.max(spread, 1e-9);
    return times;
  }

  /** Solves for the mean from where it stands, preconditioned by the variances. */
  #solve(columns: Factors, rowFactors: readonly RowFactors[]): void {
    const n = this.mean.length;
    const product = (x: Float64Array, out: Float64Array) => {
      for (let q = 0; q < n; q++) out[q] = (columns.precision[q] ?? 0) * (x[q] ?? 0);
      for (const factors of rowFactors) {
        const { start, column, count } = factors.rows;
        for (let f = 0; f < factors.precision.length; f++) {
          const precision = factors.precision[f] ?? 0;
          if (precision === 0) continue;
          const i = rowOf(factors, f);
          const begin = start[i] ?? 0;
          const end = start[i + 1] ?? 0;
          let sum = 0;
          for (let k = begin; k < end; k++) sum += (count[k] ?? 0) * (x[column[k] ?? 0] ?? 0);
          sum *= precision;
          for (let k = begin; k < end; k++) {
            const q = column[k] ?? 0;
            out[q] = (out[q] ?? 0) + (count[k] ?? 0) * sum;
          }
        }
      }
    };
    const residual = Float64Array.from(columns.shift);
    for (const factors of rowFactors) {
      const { start, column, count } = factors.rows;
      for (let f = 0; f < factors.precision.length; f++) {
        const i = rowOf(factors, f);
        if (factors.precision[f] === 0) continue;
        for (let k = start[i] ?? 0; k < (start[i + 1] ?? 0); k++) {
          const q = column[k] ?? 0;
          residual[q] = (residual[q] ?? 0) + (count[k] ?? 0) * (factors.shift[f] ?? 0);
        }
      }
    }
    const image = new Float64Array(n);
    product(this.mean, image);
    const direction = new Float64Array(n);
    let energy = 0;
    for (let q = 0; q < n; q++) {
      const r = (residual[q] ?? 0) - (image[q] ?? 0);
      residual[q] = r;
      direction[q] = (this.variance[q] ?? 0) * r;
      energy += r * (direction[q] ?? 0);
    }
    // energy / n: mean square of the residual in sd of the columns.
    for (let iteration = 0; iteration < mostIterations && energy > tolerance * tolerance * n; iteration++) {
      product(direction, image);
      let curvature = 0;
      for (let q = 0; q < n; q++) curvature += (direction[q] ?? 0) * (image[q] ?? 0);
      const length = energy / curvature;
      let next = 0;
      for (let q = 0; q < n; q++) {
        this.mean[q] = (this.mean[q] ?? 0) + length * (direction[q] ?? 0);
        const r = (residual[q] ?? 0) - length * (image[q] ?? 0);
        residual[q] = r;
        next += r * r * (this.variance[q] ?? 0);
      }
      const turn = next / energy;
      for (let q = 0; q < n; q++)
        direction[q] = (this.variance[q] ?? 0) * (residual[q] ?? 0) + turn * (direction[q] ?? 0);
      energy = next;
    }
  }
}
