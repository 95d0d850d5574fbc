/** What windows say about costs, as sparse sums over columns (a column is one unknown cost triple). */

/** Rows of sums: row i is the sum over entries start[i]..start[i+1] of count * cost of column. */
export interface Rows {
  readonly length: number;
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly count: Float64Array;
}

/** One window: the columns that ran in each of its ticks, and [average, min, max] of each resource (NaN: unusable). */
export interface Span {
  readonly ticks: readonly Int32Array[];
  readonly bands: Float64Array;
}

export interface Equations {
  readonly spans: readonly Span[];
  /** One row a window: everything that ran in it. */
  readonly totals: Rows;
  /** The windows' distinct ticks (equal ticks have equal sums): window w has rows firstTick[w]..firstTick[w+1]. */
  readonly ticks: Rows;
  readonly firstTick: Int32Array;
}

class RowBuilder {
  readonly #start: number[] = [0];
  readonly #column: number[] = [];
  readonly #count: number[] = [];

  add(columns: Int32Array): void {
    for (let i = 0; i < columns.length; ) {
      const column = columns[i] ?? 0;
      let count = 0;
      while (columns[i] === column) {
        count++;
        i++;
      }
      this.#column.push(column);
      this.#count.push(count);
    }
    this.#start.push(this.#column.length);
  }

  build(): Rows {
    return {
      length: this.#start.length - 1,
      start: Int32Array.from(this.#start),
      column: Int32Array.from(this.#column),
      count: Float64Array.from(this.#count),
    };
  }
}

export function buildEquations(spans: readonly Span[]): Equations {
  const totals = new RowBuilder();
  const ticks = new RowBuilder();
  const firstTick = new Int32Array(spans.length + 1);
  let rows = 0;
  spans.forEach((span, w) => {
    const sorted = span.ticks.map((tick) => tick.toSorted());
    totals.add(Int32Array.from(sorted.flatMap((tick) => Array.from(tick))).sort());
    const seen = new Set<string>();
    for (const tick of sorted) {
      const name = tick.join();
      if (seen.has(name)) continue;
      seen.add(name);
      ticks.add(tick);
      rows++;
    }
    firstTick[w + 1] = rows;
  });
  return { spans, totals: totals.build(), ticks: ticks.build(), firstTick };
}

/** The value of row `i` at `costs`. */
export function rowSum(rows: Rows, i: number, costs: Float64Array): number {
  let sum = 0;
  const end = rows.start[i + 1] ?? 0;
  for (let k = rows.start[i] ?? 0; k < end; k++) sum += (rows.count[k] ?? 0) * (costs[rows.column[k] ?? 0] ?? 0);
  return sum;
}
