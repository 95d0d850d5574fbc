/** The unknowns: one column for each version of each query's costs. */
import { type Factors, noFactors } from "./belief.ts";
import type { Memory, Query, StoredWindow, Version } from "./memory.ts";

export interface Column {
  readonly query: Query;
  readonly version: Version;
  /** The version that holds now. */
  readonly current: boolean;
}

export interface Columns {
  readonly list: readonly Column[];
  /** The column of a query (by its index in memory) in a window. */
  of(query: number, window: StoredWindow): number;
  /** Per resource: what windows no longer kept said of each column. */
  readonly anchors: readonly Factors[];
}

/** In the order of ids, so that the order in which windows came does not matter. */
export function columnsOf({ queries }: Memory): Columns {
  const list: Column[] = [];
  const first = new Int32Array(queries.length);
  const order = Array.from(queries.keys()).sort((a, b) => ((queries[a]?.id ?? "") < (queries[b]?.id ?? "") ? -1 : 1));
  for (const index of order) {
    const query = queries[index];
    if (!query) continue;
    first[index] = list.length;
    for (const version of query.versions) list.push({ query, version, current: version === query.versions.at(-1) });
  }
  const anchors = [0, 1, 2].map((r) => {
    const factors = noFactors(list.length);
    list.forEach(({ version }, column) => {
      factors.precision[column] = version.precision[r] ?? 0;
      factors.shift[column] = version.shift[r] ?? 0;
    });
    return factors;
  });
  return {
    list,
    anchors,
    of(query, { endedAt }) {
      const versions = queries[query]?.versions ?? [];
      let version = versions.length - 1;
      while (version > 0 && (versions[version]?.since ?? 0) > endedAt) version--;
      return (first[query] ?? 0) + version;
    },
  };
}
