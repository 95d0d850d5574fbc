/** Symmetric positive definite matrices, row-major in a Float64Array of n * n. */

/**
 * Inverts `matrix` in place by Cholesky's factorisation (Golub and Van Loan, Matrix Computations, 4.2).
 * Only its lower triangle is read; both are written.
 * @returns false when it is not positive definite; the matrix is then spoiled
 */
export function invert(matrix: Float64Array, n: number): boolean {
  for (let i = 0; i < n; i++) {
    const rowI = i * n;
    for (let j = 0; j <= i; j++) {
      const rowJ = j * n;
      let sum = matrix[rowI + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (matrix[rowI + k] ?? 0) * (matrix[rowJ + k] ?? 0);
      if (i === j) {
        if (!(sum > 0)) return false;
        matrix[rowI + i] = Math.sqrt(sum);
      } else {
        matrix[rowI + j] = sum / (matrix[rowJ + j] ?? 1);
      }
    }
  }
  // The factor's inverse, stored transposed in the upper triangle so that both loops run along rows.
  const diagonal = new Float64Array(n);
  for (let i = 0; i < n; i++) diagonal[i] = 1 / (matrix[i * n + i] ?? 1);
  for (let j = 0; j < n; j++) {
    const rowJ = j * n;
    matrix[rowJ + j] = diagonal[j] ?? 0;
    for (let i = j + 1; i < n; i++) {
      const rowI = i * n;
      let sum = 0;
      for (let k = j; k < i; k++) sum += (matrix[rowI + k] ?? 0) * (matrix[rowJ + k] ?? 0);
      matrix[rowJ + i] = -sum * (diagonal[i] ?? 0);
    }
  }
  // inverse[i][j] = sum over k >= max(i, j) of L^-1[k][i] L^-1[k][j]
  for (let i = 0; i < n; i++) {
    const rowI = i * n;
    for (let j = 0; j <= i; j++) {
      const rowJ = j * n;
      let sum = 0;
      for (let k = i; k < n; k++) sum += (matrix[rowI + k] ?? 0) * (matrix[rowJ + k] ?? 0);
      matrix[rowI + j] = sum;
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) matrix[j * n + i] = matrix[i * n + j] ?? 0;
  return true;
}
