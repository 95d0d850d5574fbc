/** The table of queries: what is believed of their costs beside what was just seen of them. */
import { loadOf } from "../../core/workload/measures.ts";
import type { StoredCost } from "../../platform/tables/costs.ts";
import type { QueryRow, QuerySort } from "./contract/queries.ts";
import type { Traffic } from "./live/traffic.ts";
import type { KnownCosts } from "./store.ts";

/** Every query with a cost or with traffic. */
export function listQueries(costs: KnownCosts | undefined, traffic: Traffic, now: number, tickMs: number): QueryRow[] {
  const ids = new Set([...(costs?.costs.keys() ?? []), ...traffic.queryIds()]);
  const rows = Array.from(ids, (queryId) => rowOf(queryId, costs?.costs.get(queryId), traffic, now, tickMs));
  const believed = ({ queryId }: QueryRow) => loadOf(costs?.costs.get(queryId) ?? costs?.prior ?? { mean: [1, 1, 1] });
  const moving = rows.some(({ perMinute }) => perMinute > 0);
  const loads = rows.map((row) => believed(row) * (moving ? row.perMinute : row.seen));
  const total = loads.reduce((sum, load) => sum + load, 0);
  return rows.map((row, index) => ({ ...row, loadShare: total > 0 ? (loads[index] ?? 0) / total : 0 }));
}

export function rowOf(
  queryId: string,
  cost: StoredCost | undefined,
  traffic: Traffic,
  now: number,
  tickMs: number,
): QueryRow {
  const { perTenSeconds, executions, meanDelayTicks, lastAt } = traffic.of(queryId, now);
  return {
    queryId,
    mean: cost ? [...cost.mean] : null,
    sd: cost ? [...cost.sd] : null,
    durationMs: cost?.durationMs ?? null,
    seen: cost?.seen ?? 0,
    lastSeenAt: Math.max(lastAt ?? 0, cost?.lastSeenAt ?? 0) || null,
    perMinute: executions / 10,
    loadShare: 0,
    meanDelaySeconds: meanDelayTicks === null ? null : (meanDelayTicks * tickMs) / 1_000,
    perTenSeconds: [...perTenSeconds],
  };
}

export interface Selection {
  readonly sort: QuerySort;
  readonly order: "asc" | "desc";
  /** Part of an id. */
  readonly filter: string;
  readonly offset: number;
  readonly limit: number;
}

/** Those whose id holds the filter, sorted; what has no value comes last, equal ones by id. */
export function selectQueries(rows: readonly QueryRow[], { sort, order, filter, offset, limit }: Selection) {
  const wanted = filter.toLowerCase();
  const matching = rows.filter(({ queryId }) => queryId.toLowerCase().includes(wanted));
  const sign = order === "asc" ? 1 : -1;
  const byId = (a: QueryRow, b: QueryRow) => (a.queryId < b.queryId ? -1 : 1);
  const sorted = matching.sort((a, b) => {
    if (sort === "id") return sign * byId(a, b);
    const [left, right] = [keyOf(a, sort), keyOf(b, sort)];
    if (left === right) return byId(a, b);
    if (left === null || right === null) return left === null ? 1 : -1;
    return sign * (left - right);
  });
  return { matching: matching.length, total: rows.length, queries: sorted.slice(offset, offset + limit) };
}

function keyOf(row: QueryRow, sort: Exclude<QuerySort, "id">): number | null {
  switch (sort) {
    case "load":
      return row.loadShare;
    case "cpu":
      return row.mean?.[0] ?? null;
    case "io":
      return row.mean?.[1] ?? null;
    case "memory":
      return row.mean?.[2] ?? null;
    case "uncertainty":
      // Where executions last, each resource has a unit of its own.
      return row.sd ? (row.durationMs === null ? Math.max(...row.sd) : row.sd[0]) : null;
    case "traffic":
      return row.perMinute;
    case "delay":
      return row.meanDelaySeconds;
    case "lastSeen":
      return row.lastSeenAt;
  }
}
