/** What windows say about costs, as sparse sums over columns (a column is one unknown cost triple). */

/** Rows of sums: row i is the sum over entries start[i]..start[i+1] of count * cost of column. Columns ascend in a row. */
export interface Rows {
  readonly length: number;
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly count: Float64Array;
}

/** One window: a row of `ticks` each, from..to (exclusive) as recorded, and [average, min, max] of each resource (NaN: unusable). */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly bands: Float64Array;
  /** How many ticks earlier or later it may begin and end than recorded; 0 when its bounds are known. */
  readonly leeway: number;
  /** The next span begins where this one ends. */
  readonly continued: boolean;
}

/** One way to place a window's bounds. */
export interface Candidate {
  readonly window: number;
  readonly from: number;
  readonly to: number;
  /** Shift of its begin and end, in ticks. */
  readonly begins: number;
  readonly ends: number;
}

export interface Equations {
  readonly spans: readonly Span[];
  /** One row a tick. */
  readonly ticks: Rows;
  /** Ticks in which the same ran have equal classes, and so equal sums. */
  readonly tickClass: Int32Array;
  readonly candidates: readonly Candidate[];
  /** One row a candidate: everything that ran in it, and how many executions that is. */
  readonly totals: Rows;
  readonly executions: Float64Array;
  /** Window w has candidates firstCandidate[w]..firstCandidate[w + 1]. */
  readonly firstCandidate: Int32Array;
}

class RowBuilder {
  readonly #start: number[] = [0];
  readonly #column: number[] = [];
  readonly #count: number[] = [];

  /** `columns` ascending, repeats allowed. */
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

function placements(spans: readonly Span[], window: number): Candidate[] {
  const span = spans[window];
  if (!span) return [];
  const before = spans[window - 1];
  const shifts = (low: number, high: number) => Array.from({ length: high - low + 1 }, (_, i) => low + i);
  // What ran before the first or after the last window of a run of windows is not recorded.
  const begins = shifts(before?.continued ? -span.leeway : 0, span.leeway);
  const ends = shifts(-span.leeway, span.continued ? span.leeway : 0);
  return begins
    .flatMap((b) => ends.map((e) => ({ window, from: span.from + b, to: span.to + e, begins: b, ends: e })))
    .filter(({ from, to }) => to > from);
}

/** `ticks[i]`: the columns of what ran in tick row i, in any order. */
export function buildEquations(ticks: readonly Int32Array[], spans: readonly Span[]): Equations {
  const sorted = ticks.map((tick) => tick.toSorted());
  const tickRows = new RowBuilder();
  const classes = new Map<string, number>();
  const tickClass = Int32Array.from(sorted, (tick) => {
    tickRows.add(tick);
    const name = tick.join();
    const known = classes.get(name) ?? classes.size;
    classes.set(name, known);
    return known;
  });
  const candidates: Candidate[] = [];
  const firstCandidate = new Int32Array(spans.length + 1);
  spans.forEach((_, window) => {
    candidates.push(...placements(spans, window));
    firstCandidate[window + 1] = candidates.length;
  });
  const totals = new RowBuilder();
  const executions = Float64Array.from(candidates, ({ from, to }) => {
    const all = Int32Array.from(sorted.slice(from, to).flatMap((tick) => Array.from(tick))).sort();
    totals.add(all);
    return all.length;
  });
  return { spans, ticks: tickRows.build(), tickClass, candidates, totals: totals.build(), executions, firstCandidate };
}

/** The value of row `i` at `costs`. */
export function rowSum(rows: Rows, i: number, costs: Float64Array): number {
  let sum = 0;
  const end = rows.start[i + 1] ?? 0;
  for (let k = rows.start[i] ?? 0; k < end; k++) sum += (rows.count[k] ?? 0) * (costs[rows.column[k] ?? 0] ?? 0);
  return sum;
}

/** The windows in which each column that is `wanted` ran, by candidate. */
export function windowsOf(
  { totals }: Equations,
  candidate: Int32Array,
  wanted: (column: number) => boolean,
): ReadonlyMap<number, readonly number[]> {
  const windows = new Map<number, number[]>();
  candidate.forEach((c, w) => {
    for (const q of totals.column.subarray(totals.start[c], totals.start[c + 1])) {
      if (!wanted(q)) continue;
      const own = windows.get(q);
      if (own) own.push(w);
      else windows.set(q, [w]);
    }
  });
  return windows;
}
