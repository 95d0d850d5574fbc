/** A Gaussian belief about all columns' costs in one resource: the product of a diagonal prior and one site per row. */
import { invert } from "./dense.ts";
import type { Rows } from "./equations.ts";

/** Gaussian factors exp(-precision x^2 / 2 + shift x), one per row (x the row's sum) or per column. */
export interface Factors {
  readonly precision: Float64Array;
  readonly shift: Float64Array;
}

export function noFactors(length: number): Factors {
  return { precision: new Float64Array(length), shift: new Float64Array(length) };
}

/** Factors on rows: factor i is on row which[i], or on row i. */
export interface RowFactors {
  readonly rows: Rows;
  readonly which?: Int32Array;
  readonly factors: Factors;
}

export interface Belief {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  /** Takes the factors' present values: `columns` one per column, the others one per row. */
  update(columns: Factors, rowFactors: readonly RowFactors[]): void;
  rowVariance(rows: Rows, i: number): number;
  rowCovariance(a: Rows, i: number, b: Rows, j: number): number;
}

/** Full covariance: exact, O(columns^3) per update. */
export class DenseBelief implements Belief {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly #size: number;
  readonly #covariance: Float64Array;

  constructor(size: number) {
    this.#size = size;
    this.mean = new Float64Array(size);
    this.variance = new Float64Array(size);
    this.#covariance = new Float64Array(size * size);
  }

  update(columns: Factors, rowFactors: readonly RowFactors[]): void {
    const n = this.#size;
    const matrix = this.#covariance.fill(0);
    const shift = Float64Array.from(columns.shift);
    for (let i = 0; i < n; i++) matrix[i * n + i] = columns.precision[i] ?? 0;
    for (const { rows, which, factors } of rowFactors) {
      for (let f = 0; f < factors.precision.length; f++) {
        const precision = factors.precision[f] ?? 0;
        if (precision === 0) continue;
        const i = which ? (which[f] ?? 0) : f;
        const end = rows.start[i + 1] ?? 0;
        for (let k = rows.start[i] ?? 0; k < end; k++) {
          const column = rows.column[k] ?? 0;
          const count = rows.count[k] ?? 0;
          shift[column] = (shift[column] ?? 0) + count * (factors.shift[f] ?? 0);
          // Columns ascend within a row: this is the lower triangle.
          for (let l = rows.start[i] ?? 0; l <= k; l++) {
            const at = column * n + (rows.column[l] ?? 0);
            matrix[at] = (matrix[at] ?? 0) + precision * count * (rows.count[l] ?? 0);
          }
        }
      }
    }
    if (!invert(matrix, n)) throw new RangeError("the belief's precision is not positive definite");
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += (matrix[i * n + j] ?? 0) * (shift[j] ?? 0);
      this.mean[i] = sum;
      this.variance[i] = matrix[i * n + i] ?? 0;
    }
  }

  rowVariance(rows: Rows, i: number): number {
    const n = this.#size;
    const begin = rows.start[i] ?? 0;
    const end = rows.start[i + 1] ?? 0;
    let sum = 0;
    for (let k = begin; k < end; k++) {
      const row = (rows.column[k] ?? 0) * n;
      const count = rows.count[k] ?? 0;
      let cross = 0;
      for (let l = begin; l < k; l++)
        cross += (rows.count[l] ?? 0) * (this.#covariance[row + (rows.column[l] ?? 0)] ?? 0);
      sum += count * (2 * cross + count * (this.#covariance[row + (rows.column[k] ?? 0)] ?? 0));
    }
    return Math.max(sum, 0);
  }

  rowCovariance(a: Rows, i: number, b: Rows, j: number): number {
    let sum = 0;
    for (let k = a.start[i] ?? 0; k < (a.start[i + 1] ?? 0); k++) {
      const row = (a.column[k] ?? 0) * this.#size;
      let cross = 0;
      for (let l = b.start[j] ?? 0; l < (b.start[j + 1] ?? 0); l++)
        cross += (b.count[l] ?? 0) * (this.#covariance[row + (b.column[l] ?? 0)] ?? 0);
      sum += (a.count[k] ?? 0) * cross;
    }
    return sum;
  }
}
