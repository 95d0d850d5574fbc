/** Short transactions of pgbench's kind (TPC-B), that come at random moments: they are never delayed. */
import type pg from "pg";

const accounts = 100_000;
const tellers = 10;

/** Makes the tables afresh, so that every run begins with the same ones. */
export async function prepareBackground(pool: pg.Pool): Promise<void> {
  await pool.query(`
    DROP TABLE IF EXISTS pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history;
    CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int);
    CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int);
    CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84)) WITH (fillfactor = 90);
    CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
    INSERT INTO pgbench_branches VALUES (1, 0);
    INSERT INTO pgbench_tellers SELECT tid, 1, 0 FROM generate_series(1, ${tellers}) AS tid;
    INSERT INTO pgbench_accounts SELECT aid, 1, 0, '' FROM generate_series(1, ${accounts}) AS aid;`);
  await pool.query("VACUUM ANALYZE pgbench_accounts");
}

/** Runs about `perSecond` of them until `signal` aborts; resolves with their number when the last has ended. */
export async function runBackground(
  pool: pg.Pool,
  { perSecond, random, signal }: { perSecond: number; random: () => number; signal: AbortSignal },
): Promise<number> {
  let done = 0;
  const running = new Set<Promise<void>>();
  let due = performance.now();
  while (!signal.aborted) {
    due += (-Math.log(1 - random()) * 1_000) / perSecond;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    const one = transaction(pool, random).then(() => {
      done++;
    });
    running.add(one);
    void one.then(
      () => running.delete(one),
      () => running.delete(one),
    );
  }
  await Promise.allSettled(running);
  return done;
}

/** One of them. */
export async function transaction(pool: pg.Pool, random: () => number): Promise<void> {
  const aid = 1 + Math.floor(random() * accounts);
  const tid = 1 + Math.floor(random() * tellers);
  const delta = Math.floor(random() * 10_001) - 5_000;
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", [delta, aid]);
    await client.query("SELECT abalance FROM pgbench_accounts WHERE aid = $1", [aid]);
    await client.query("UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", [delta, tid]);
    await client.query("UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = 1", [delta]);
    await client.query("INSERT INTO pgbench_history VALUES ($1, 1, $2, $3, now(), '')", [tid, aid, delta]);
    await client.query("COMMIT");
    client.release();
  } catch (error) {
    client.release(true);
    throw error;
  }
}
