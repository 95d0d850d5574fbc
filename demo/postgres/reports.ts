/** The report mixes of the demonstration: our own queries over the TPC-H schema, of different weight; or TPC-H's own. */
import { z } from "zod";

export const loadNames = ["heavy", "light", "tpch"] as const;
export const burstEveryMs = 12_000;
export type LoadName = (typeof loadNames)[number];

/** A report that is asked for; equal `slot` and `index` ask for the same thing with the same parameters. */
export interface Report {
  readonly name: string;
  readonly sql: string;
  readonly parameters: readonly (string | number)[];
}

interface Kind {
  readonly sql: string;
  /** Draws parameters; `random` is uniform in [0, 1). */
  readonly parameters: (random: () => number) => readonly (string | number)[];
  /** How often it stands in a burst. */
  readonly perBurst: Readonly<Record<"heavy" | "light", number>>;
}

/** The queries of TPC-H as somebody else published them. */
export const published = z.array(z.object({ number: z.int(), sql: z.string() })).min(1);

/** Streams of TPC-H's throughput test in a burst: each asks all 22 queries once. At scale factor 0.1 one takes 2 s of processor time. */
const streams = 5;

const whole = (random: () => number, least: number, most: number) => least + Math.floor(random() * (most - least + 1));
const pick = (random: () => number, values: readonly string[]) => values[whole(random, 0, values.length - 1)] ?? "";
/** The first day of a month; `years` from 1993 to 1997. */
const month = (random: () => number) =>
  `${whole(random, 1993, 1997)}-${String(whole(random, 1, 12)).padStart(2, "0")}-01`;
const segments = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
const regions = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];
const nations = ["ALGERIA", "BRAZIL", "CHINA", "FRANCE", "GERMANY", "INDIA", "JAPAN", "KENYA", "PERU", "ROMANIA"];

const pricing = (interval: string) =>
  `SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice * (1 - l_discount)), avg(l_discount), count(*)
     FROM lineitem WHERE l_shipdate >= $1::date AND l_shipdate < $1::date + interval '${interval}'
    GROUP BY 1, 2 ORDER BY 1, 2`;

/** Comments: processor time of one at scale factor 0.1 on the machine of the figures. */
const kinds: Readonly<Record<string, Kind>> = {
  // 230 ms
  "pricing-of-years": {
    sql: pricing("42 months"),
    parameters: (random) => [`1993-0${whole(random, 1, 9)}-01`],
    perBurst: { heavy: 8, light: 0 },
  },
  // 150 ms
  "late-shipments": {
    sql: `SELECT l_shipmode, count(*) FILTER (WHERE o_orderpriority IN ('1-URGENT', '2-HIGH')), count(*)
            FROM orders JOIN lineitem ON o_orderkey = l_orderkey
           WHERE l_shipmode IN ('MAIL', 'SHIP') AND l_receiptdate >= $1::date AND l_receiptdate < $1::date + interval '1 year'
           GROUP BY 1 ORDER BY 1`,
    parameters: (random) => [`${whole(random, 1993, 1997)}-01-01`],
    perBurst: { heavy: 8, light: 0 },
  },
  // 125 ms
  "orders-per-customer": {
    sql: `SELECT orders, count(*) FROM (
            SELECT c_custkey, count(o_orderkey) AS orders FROM customer
              LEFT JOIN orders ON c_custkey = o_custkey AND o_comment NOT LIKE $1 GROUP BY 1) AS counted
           GROUP BY 1 ORDER BY 2 DESC, 1`,
    parameters: (random) => [`%${pick(random, ["special", "pending", "express"])}%requests%`],
    perBurst: { heavy: 9, light: 0 },
  },
  // 92 ms
  "returned-goods": {
    sql: `SELECT c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) AS lost
            FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
           WHERE o_orderdate >= $1::date AND o_orderdate < $1::date + interval '3 months' AND l_returnflag = 'R'
           GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 20`,
    parameters: (random) => [`${whole(random, 1993, 1994)}-0${whole(random, 1, 9)}-01`],
    perBurst: { heavy: 10, light: 0 },
  },
  // 92 ms
  "order-priorities": {
    sql: `SELECT o_orderpriority, count(*) FROM orders
           WHERE o_orderdate >= $1::date AND o_orderdate < $1::date + interval '3 months'
             AND EXISTS (SELECT 1 FROM lineitem WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate)
           GROUP BY 1 ORDER BY 1`,
    parameters: (random) => [month(random)],
    perBurst: { heavy: 10, light: 0 },
  },
  // 73 ms
  "unshipped-orders": {
    sql: `SELECT o_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate
            FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
           WHERE c_mktsegment = $1 AND o_orderdate < $2::date AND l_shipdate > $2::date
           GROUP BY 1, 3 ORDER BY 2 DESC, 3, 1 LIMIT 10`,
    parameters: (random) => [pick(random, segments), `1995-03-${whole(random, 10, 28)}`],
    perBurst: { heavy: 11, light: 0 },
  },
  // 66 ms
  "pricing-of-a-year": {
    sql: pricing("12 months"),
    parameters: (random) => [month(random)],
    perBurst: { heavy: 12, light: 0 },
  },
  // 55 ms
  "pricing-of-ten-months": {
    sql: pricing("10 months"),
    parameters: (random) => [month(random)],
    perBurst: { heavy: 0, light: 5 },
  },
  // 40 ms
  "sales-by-nation": {
    sql: `SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
            FROM customer JOIN orders ON c_custkey = o_custkey JOIN lineitem ON l_orderkey = o_orderkey
            JOIN nation ON c_nationkey = n_nationkey JOIN region ON n_regionkey = r_regionkey
           WHERE r_name = $1 AND o_orderdate >= $2::date AND o_orderdate < $2::date + interval '1 year'
           GROUP BY 1 ORDER BY 2 DESC, 1`,
    parameters: (random) => [pick(random, regions), `${whole(random, 1993, 1997)}-01-01`],
    perBurst: { heavy: 12, light: 5 },
  },
  // 37 ms
  "best-clerks": {
    sql: `SELECT o_clerk, sum(o_totalprice), count(*) FROM orders WHERE o_orderkey > $1
           GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20`,
    parameters: (random) => [whole(random, 0, 1_000)],
    perBurst: { heavy: 12, light: 5 },
  },
  // 36 ms
  "discounted-revenue": {
    sql: `SELECT sum(l_extendedprice * l_discount) FROM lineitem
           WHERE l_shipdate >= $1::date AND l_shipdate < $1::date + interval '1 year'
             AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < $2`,
    parameters: (random) => [`${whole(random, 1993, 1997)}-01-01`, whole(random, 20, 28)],
    perBurst: { heavy: 12, light: 5 },
  },
  // 34 ms
  "stock-by-nation": {
    sql: `SELECT s_nationkey, sum(ps_supplycost * ps_availqty) FROM partsupp JOIN supplier ON ps_suppkey = s_suppkey
           WHERE ps_availqty > $1 GROUP BY 1 ORDER BY 1`,
    parameters: (random) => [whole(random, 0, 200)],
    perBurst: { heavy: 12, light: 5 },
  },
  // 21 ms
  "pricing-of-a-quarter": {
    sql: pricing("3 months"),
    parameters: (random) => [month(random)],
    perBurst: { heavy: 14, light: 9 },
  },
  // 15 ms
  promotions: {
    sql: `SELECT sum(l_extendedprice * (1 - l_discount)) FILTER (WHERE p_type LIKE 'PROMO%') / sum(l_extendedprice * (1 - l_discount))
            FROM lineitem JOIN part ON l_partkey = p_partkey
           WHERE l_shipdate >= $1::date AND l_shipdate < $1::date + interval '1 month'`,
    parameters: (random) => [month(random)],
    perBurst: { heavy: 16, light: 9 },
  },
  // 14 ms
  "dearest-stock": {
    sql: `SELECT ps_partkey, sum(ps_supplycost * ps_availqty) AS value
            FROM partsupp JOIN supplier ON ps_suppkey = s_suppkey JOIN nation ON s_nationkey = n_nationkey
           WHERE n_name = $1 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20`,
    parameters: (random) => [pick(random, nations)],
    perBurst: { heavy: 16, light: 9 },
  },
  // 13 ms
  "clerks-of-a-year": {
    sql: `SELECT o_clerk, sum(o_totalprice), count(*) FROM orders
           WHERE o_orderdate >= $1::date AND o_orderdate < $1::date + interval '1 year'
           GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20`,
    parameters: (random) => [`${whole(random, 1993, 1997)}-01-01`],
    perBurst: { heavy: 16, light: 9 },
  },
  // 8 ms
  "prices-by-brand": {
    sql: "SELECT p_brand, p_size, avg(p_retailprice) FROM part WHERE p_size > $1 GROUP BY 1, 2 ORDER BY 1, 2",
    parameters: (random) => [whole(random, 0, 5)],
    perBurst: { heavy: 16, light: 10 },
  },
  // 4 ms
  balances: {
    sql: `SELECT c_nationkey, c_mktsegment, avg(c_acctbal), count(*) FROM customer WHERE c_acctbal > $1
           GROUP BY 1, 2 ORDER BY 1, 2`,
    parameters: (random) => [-whole(random, 900, 999)],
    perBurst: { heavy: 16, light: 15 },
  },
};

/** The reports of one burst, in the order in which they are asked for; `queries`: what load `tpch` asks. */
export function burstOf(load: LoadName, random: () => number, queries: z.infer<typeof published> = []): Report[] {
  const reports =
    load === "tpch"
      ? Array.from({ length: streams }, () =>
          queries.map(({ number, sql }) => ({ name: `tpch-q${number}`, sql, parameters: [] })),
        ).flat()
      : Object.entries(kinds).flatMap(([name, { sql, parameters, perBurst }]) =>
          Array.from({ length: perBurst[load] }, () => ({ name, sql, parameters: parameters(random) })),
        );
  for (let at = reports.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    const [one, two] = [reports[at], reports[other]];
    if (one && two) [reports[at], reports[other]] = [two, one];
  }
  return reports;
}
