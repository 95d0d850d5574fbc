const bucketMs = 10_000;
/** Ten minutes. */
export const trafficBuckets = 60;
const mostQueries = 20_000;

interface QueryTraffic {
  /** Executions per bucket of ten seconds, a ring. */
  readonly counts: Uint32Array;
  /** Sum of delays in ticks, a ring beside it. */
  readonly delayTicks: Float64Array;
  /** Number of the bucket that was last written. */
  last: number;
  lastAt: number;
}

export interface TrafficSummary {
  /** Executions per ten seconds over the last ten minutes, oldest first. */
  readonly perTenSeconds: readonly number[];
  readonly executions: number;
  readonly meanDelayTicks: number | null;
  /** Unix ms. */
  readonly lastAt: number | null;
}

const none: TrafficSummary = { perTenSeconds: [], executions: 0, meanDelayTicks: null, lastAt: null };

/** How often each query ran in the last ten minutes, and how long its executions waited. */
export class Traffic {
  readonly #queries = new Map<string, QueryTraffic>();

  add(queryId: string, at: number, delayTicks: number): void {
    let query = this.#queries.get(queryId);
    if (!query) {
      if (this.#queries.size >= mostQueries) return;
      const counts = new Uint32Array(trafficBuckets);
      query = { counts, delayTicks: new Float64Array(trafficBuckets), last: Math.floor(at / bucketMs), lastAt: at };
      this.#queries.set(queryId, query);
    }
    forget(query, at);
    const slot = query.last % trafficBuckets;
    query.counts[slot] = (query.counts[slot] ?? 0) + 1;
    query.delayTicks[slot] = (query.delayTicks[slot] ?? 0) + delayTicks;
    query.lastAt = at;
  }

  queryIds(): Iterable<string> {
    return this.#queries.keys();
  }

  of(queryId: string, now: number): TrafficSummary {
    const query = this.#queries.get(queryId);
    if (!query) return none;
    forget(query, now);
    const first = query.last - trafficBuckets + 1;
    const perTenSeconds = Array.from(query.counts, (_, index) => query.counts[(first + index) % trafficBuckets] ?? 0);
    const executions = perTenSeconds.reduce((sum, count) => sum + count, 0);
    const delayTicks = query.delayTicks.reduce((sum, ticks) => sum + ticks, 0);
    return {
      perTenSeconds,
      executions,
      meanDelayTicks: executions === 0 ? null : delayTicks / executions,
      lastAt: query.lastAt,
    };
  }
}

/** Empties the buckets between the last one written and that of `at`. */
function forget(query: QueryTraffic, at: number): void {
  const bucket = Math.floor(at / bucketMs);
  const stale = Math.min(trafficBuckets, bucket - query.last);
  for (let step = 1; step <= stale; step++) {
    const slot = (bucket - stale + step) % trafficBuckets;
    query.counts[slot] = 0;
    query.delayTicks[slot] = 0;
  }
  if (bucket > query.last) query.last = bucket;
}
