/** Least squares with bounds, small and dense. */

/**
 * Minimises x'Ax / 2 - b'x over x >= 0 for a symmetric positive definite A (flat, row by row): projected Gauss-Seidel
 * (C. Hildreth, A Quadratic Programming Procedure, 1957). `x` is where it begins and what it changes.
 */
export function solveNonNegative(a: Float64Array, b: Float64Array, x: Float64Array): void {
  const n = b.length;
  for (let round = 0; round < mostRounds; round++) {
    let moved = 0;
    let largest = 0;
    for (let i = 0; i < n; i++) {
      let gradient = -(b[i] ?? 0);
      for (let j = 0; j < n; j++) gradient += (a[i * n + j] ?? 0) * (x[j] ?? 0);
      const before = x[i] ?? 0;
      const after = Math.max(0, before - gradient / (a[i * n + i] ?? 1));
      x[i] = after;
      moved = Math.max(moved, Math.abs(after - before));
      largest = Math.max(largest, after);
    }
    if (moved <= still * largest) return;
  }
}

const mostRounds = 200;
const still = 1e-5;

/** The inverse of a symmetric positive definite matrix (flat), by Cholesky's decomposition. */
export function invert(a: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (lower[i * n + k] ?? 0) * (lower[j * n + k] ?? 0);
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / (lower[j * n + j] ?? 1);
    }
  }
  const inverse = new Float64Array(n * n);
  const column = new Float64Array(n);
  for (let c = 0; c < n; c++) {
    for (let i = 0; i < n; i++) {
      let sum = i === c ? 1 : 0;
      for (let k = 0; k < i; k++) sum -= (lower[i * n + k] ?? 0) * (column[k] ?? 0);
      column[i] = sum / (lower[i * n + i] ?? 1);
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = column[i] ?? 0;
      for (let k = i + 1; k < n; k++) sum -= (lower[k * n + i] ?? 0) * (inverse[k * n + c] ?? 0);
      inverse[i * n + c] = sum / (lower[i * n + i] ?? 1);
    }
  }
  return inverse;
}
