/** A pool of `pg` behind a gate. */
import type { Gate, Work } from "./gate.ts";

/** What is used of a `pg.Pool`. */
export interface PoolLike {
  // biome-ignore lint/suspicious/noExplicitAny: pg's own overloads are kept as they are
  query(...args: any[]): any;
  // biome-ignore lint/suspicious/noExplicitAny: pg's own overloads are kept as they are
  connect(...args: any[]): any;
}

/** For every statement of the pool that does not say otherwise itself. */
export type PoolWork = Pick<Work, "id" | "deferBy" | "deadline" | "signal">;

type Callback = (error: unknown, result?: unknown, done?: unknown) => void;
const own = ["id", "deferBy", "deadline", "signal"] as const;

/**
 * The pool, with its statements recorded and, where `work` or a query's own `deferBy` allows it, held before a connection
 * is taken: `pool.query(...)`, and `pool.connect()` where `work` says so. What runs on a client that is checked out is
 * recorded and never held. A query of the form `{ text, values }` may also have `id`, `deferBy`, `deadline` and `signal`.
 *
 * The pool itself is left as it is: several gated ones may stand before it. Cursors and query streams pass ungated.
 *
 * A `connect` that may be held is one execution from its release to the client's, under its `id`: what runs in between is
 * not recorded besides.
 */
export function gatePool<Pool extends PoolLike>(pool: Pool, gate: Gate, work: PoolWork = {}): Pool {
  const common = { deferBy: 0, ...work };
  const query = (...args: unknown[]): unknown => {
    const [text] = args;
    // Most calls: there is nothing to take apart.
    if (typeof text === "string" && !isCallback(args.at(-1))) {
      return gate.run({ ...common, sql: text }, () => pool.query(...args));
    }
    const called = callOf(args);
    if (!called) return pool.query(...args);
    const { sql, given, rest, callback } = called;
    const result = gate.run({ ...common, ...given, sql }, () => pool.query(...rest));
    return callback ? callBack(result, callback) : result;
  };

  const connect = (callback?: Callback): unknown => {
    const result = connected();
    if (!callback) return result;
    result.then(
      (client) => process.nextTick(callback, undefined, client, Object(client).release),
      (error: unknown) => process.nextTick(callback, error, undefined, () => {}),
    );
    return undefined;
  };

  async function connected(): Promise<unknown> {
    if (!mayHold(work)) return gatedClient(await pool.connect(), gate);
    // One execution: it runs until the client is given back.
    return new Promise((resolve, reject) => {
      const whole = gate.run({ ...work, id: work.id ?? "connect" }, async () => {
        const client = await pool.connect();
        await new Promise<void>((release) => resolve(released(client, release)));
      });
      whole.catch(reject);
    });
  }

  return new Proxy(pool, {
    get(target, name) {
      if (name === "query") return query;
      if (name === "connect") return connect;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function mayHold({ deferBy, deadline }: PoolWork): boolean {
  return (deferBy !== undefined && deferBy !== 0) || deadline !== undefined;
}

/** A checked-out client whose statements are recorded. */
function gatedClient(client: object, gate: Gate): object {
  const query = (...args: unknown[]): unknown => {
    const called = callOf(args);
    const run = (...rest: unknown[]) => Reflect.apply(Reflect.get(client, "query"), client, rest);
    if (!called) return run(...args);
    const { sql, given, rest, callback } = called;
    const result = gate.run({ sql, ...(given.id !== undefined && { id: given.id }), deferBy: 0 }, () => run(...rest));
    return callback ? callBack(result, callback) : result;
  };
  return new Proxy(client, {
    get: (target, name) => (name === "query" ? query : bound(target, name)),
  });
}

/** A checked-out client that tells when it is given back. */
function released(client: object, onRelease: () => void): object {
  const release = (...args: unknown[]): unknown => {
    onRelease();
    return Reflect.apply(Reflect.get(client, "release"), client, args);
  };
  return new Proxy(client, {
    get: (target, name) => (name === "release" ? release : bound(target, name)),
  });
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === "function" ? value.bind(target) : value;
}

interface Call {
  readonly sql: string;
  /** What the query says of itself. */
  readonly given: PoolWork;
  /** The arguments without the callback and without what is the gate's. */
  readonly rest: unknown[];
  readonly callback: Callback | undefined;
}

/** Undefined for what is no statement with a result: a cursor, a stream, or something that pg itself shall refuse. */
function callOf(args: unknown[]): Call | undefined {
  const [first] = args;
  const last = args.at(-1);
  const callback = isCallback(last) ? last : undefined;
  const rest = callback ? args.slice(0, -1) : [...args];
  if (typeof first === "string") return { sql: first, given: {}, rest, callback };
  if (typeof first !== "object" || first === null || "submit" in first) return undefined;
  const { text, callback: inside } = Object(first);
  if (typeof text !== "string" || typeof inside === "function") return undefined;
  const given: Record<string, unknown> = {};
  const config: Record<string, unknown> = { ...first };
  for (const name of own) {
    if (name in config) given[name] = config[name];
    delete config[name];
  }
  return { sql: text, given, rest: [config, ...rest.slice(1)], callback };
}

function isCallback(value: unknown): value is Callback {
  return typeof value === "function";
}

function callBack(result: Promise<unknown>, callback: Callback): undefined {
  result.then(
    // Outside of the promise: what the callback throws is not the query's failure.
    (value) => process.nextTick(callback, null, value),
    (error: unknown) => process.nextTick(callback, error),
  );
  return undefined;
}
