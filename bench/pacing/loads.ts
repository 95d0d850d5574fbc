/** The loads of `bench pacing`: queries that fire together every 12 s over a background of short statements. */
import { createRandom } from "../../sim-server/database/random.ts";

export const loadNames = ["heavy", "light", "tpch", "long"] as const;
export type LoadName = (typeof loadNames)[number];

export interface SpreadQuery {
  readonly id: string;
  /** Mean work of one execution: CPU ms, IO KiB, MiB held. */
  readonly work: readonly [cpu: number, io: number, memory: number];
  /** Its part of the time on CPU when it has the server to itself. */
  readonly cpuShare: number;
  /** Standard deviation of an execution's work, relative to the mean. */
  readonly scatter: number;
  /** Executions in a burst, on average. */
  readonly perBurst: number;
}

export interface Load {
  readonly queries: readonly SpreadQuery[];
  readonly burstEveryMs: number;
  /** CPU ms per second of the background, and the mean of one of its statements. */
  readonly backgroundMs: number;
  readonly statementMs: number;
}

const count = 24;
const burstEveryMs = 12_000;
const shapes = {
  heavy: { total: 900, background: 110, longest: 242, shortest: 12 },
  light: { total: 165, background: 40, longest: 55, shortest: 3 },
  /** Beside the long ones. */
  long: { total: 660, background: 60, longest: 120, shortest: 5 },
} as const;
/** CPU ms and number in a burst of what lasts for seconds. */
const longOnes = [
  [3_000, 1],
  [1_500, 1],
  [900, 1],
  [500, 2],
] as const;

/** Works lie evenly on a logarithmic scale between the shortest and the longest; dear queries come less often. */
export function loadOf(name: LoadName, seed: number): Load {
  if (name === "tpch") return tpch();
  const { total, background, longest, shortest } = shapes[name];
  const random = createRandom(seed);
  const cpu = Array.from({ length: count }, (_, at) => longest * (shortest / longest) ** (at / (count - 1)));
  const weights = cpu.map((work) => (0.6 + 0.8 * random.uniform()) / work ** 0.25);
  const perBurst = ((total - background) * burstEveryMs) / 1_000;
  const scale = perBurst / weights.reduce((sum, weight, at) => sum + weight * (cpu[at] ?? 0), 0);
  const queries = cpu.map((work, at) => ({
    id: `report-${at + 1}`,
    work: [work, work * 8 * random.uniform(), 4 + 30 * random.uniform()] as const,
    cpuShare: 0.8 + 0.2 * random.uniform(),
    scatter: 0.05 + 0.2 * random.uniform(),
    perBurst: scale * (weights[at] ?? 0),
  }));
  const long = (name === "long" ? longOnes : []).map(([work, perBurst]) => ({
    id: `long-${work}`,
    work: [work, 0, 16] as const,
    ...{ cpuShare: 0.95, scatter: 0.1, perBurst },
  }));
  return { queries: [...queries, ...long], burstEveryMs, backgroundMs: background, statementMs: 1.5 };
}

/** CPU ms of TPC-H's queries 1 to 22 on PostgreSQL 18 at scale factor 0.1, the least of three. */
const tpchMs = [504, 21, 64, 109, 32, 33, 76, 24, 249, 103, 27, 108, 86, 14, 19, 29, 59, 352, 6, 19, 109, 9];
const streams = 5;

function tpch(): Load {
  const queries = tpchMs.map((work, at) => ({
    id: `tpch-q${at + 1}`,
    work: [work, 0, 8] as const,
    ...{ cpuShare: 0.95, scatter: 0.08, perBurst: streams },
  }));
  return { queries, burstEveryMs, backgroundMs: 45, statementMs: 1.5 };
}

/** A burst in random order: which queries come, and how late within their tick each starts. */
export function burstOf(
  { queries }: Load,
  random: ReturnType<typeof createRandom>,
): { readonly query: SpreadQuery; readonly jitterMs: number }[] {
  const burst = queries.flatMap((query) => {
    const times = Math.floor(query.perBurst + random.uniform());
    return Array.from({ length: times }, () => ({ query, jitterMs: 15 * random.uniform() }));
  });
  for (let at = burst.length - 1; at > 0; at--) {
    const other = Math.floor((at + 1) * random.uniform());
    const [a, b] = [burst[at], burst[other]];
    if (a && b) [burst[at], burst[other]] = [b, a];
  }
  return burst;
}
