/** @evenkeel/gate: holds deferrable database work until there is room for it, and tells Evenkeel what ran. */
import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import { Link } from "./link.ts";
import { type GateOptions, type GateWarning, holdMs, type ShadowFate, type Work, warner } from "./options.ts";
import type { Execution } from "./record.ts";
import { Statements } from "./statements.ts";
import { createTransport, type Transport } from "./transport.ts";

export type { GateOptions, GateWarning, ShadowFate, Work };

export interface Gate {
  readonly mode: "observe" | "shadow" | "enforce";
  /**
   * Runs `fn` once and returns what it gives, or throws what it throws. Before that, in mode `enforce`, it may be held:
   * for `deferBy` ms at the longest, and not at all while the gatekeeper is away. Call it before taking a connection,
   * never within a transaction or while holding a lock.
   * @throws what `work.signal` was aborted with, while it is held; `fn` is then not run
   * @example await gate.run({ sql: "select ...", deferBy: 10_000 }, () => pool.query("select ..."))
   */
  run<Result>(work: Work, fn: () => Result | PromiseLike<Result>): Promise<Result>;
  /** Whether the gatekeeper answers, and how many are held. */
  status(): { readonly connected: boolean; readonly held: number };
  /** Lets go what is held and tells what is left: at most a second and a half. Afterwards work runs ungated. */
  close(): Promise<void>;
}

/** Settings that cannot be used are told, and work runs ungated. Does not keep the process alive while nothing is held. */
export function createGate(options: GateOptions): Gate {
  const warn = warner(options.onWarning);
  return createGateOver(transportOf(options, warn), options, warn);
}

/** @internal The gate over any transport. */
export function createGateOver(transport: Transport, options: GateOptions, warn = warner(options.onWarning)): Gate {
  const mode = modeOf(options, warn);
  const process = randomUUID();
  const link = new Link({
    database: nameOf(options.database),
    role: nameOf(options.role),
    application: nameOf(options.application ?? basename(globalThis.process.argv[1] ?? "node")),
    answerWithinMs: positive(options.answerWithinMs, 250),
    keepExecutions: positive(options.keepExecutions, 10_000),
    onShadow: options.onShadow,
    ...{ mode, process, transport, warn },
  });
  const statements = new Statements(warn);
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    globalThis.process.off("beforeExit", close);
    await link.close();
  };
  globalThis.process.on("beforeExit", close);

  /** Runs it and takes note of when it began and ended. */
  function execute<Result>(
    execution: Execution,
    held: boolean,
    fn: () => Result | PromiseLike<Result>,
  ): Promise<Result> {
    link.record.begin(execution, held);
    link.told();
    const end = () => {
      link.record.end(execution);
      link.told();
    };
    return called(fn).then(
      (value) => {
        end();
        return value;
      },
      (error) => {
        end();
        throw error;
      },
    );
  }

  return {
    mode,
    // Not async: each call would pay for more promises.
    run(work, fn) {
      const { before } = work;
      if (closed) return before ? called(before).then(() => called(fn)) : called(fn);
      const ms = mode === "observe" ? 0 : holdMs(work, warn);
      if (before) {
        // Not held: it arrives when it has what it needs.
        const now = () => {
          const execution = link.record.arrive(statements.of(work));
          if (ms > 0) link.shadow(execution, ms);
          return execute(execution, false, fn);
        };
        if (ms === 0 || mode !== "enforce") return called(before).then(now);
        const execution = link.record.arrive(statements.of(work));
        const fail = (error: unknown) => execute(execution, true, () => Promise.reject(error));
        const begin = () => called(before).then(() => execute(execution, true, fn), fail);
        return held(link, execution, ms, work.signal).then(begin);
      }
      const execution = link.record.arrive(statements.of(work));
      if (ms === 0) return execute(execution, false, fn);
      if (mode === "enforce") return held(link, execution, ms, work.signal).then(() => execute(execution, true, fn));
      link.shadow(execution, ms);
      return execute(execution, false, fn);
    },
    status: () => ({ connected: link.up === true, held: link.held }),
    close,
  };
}

/** Calls it once, and what it throws becomes a rejection. A query builder runs its query whenever its `then` is called. */
function called<Result>(fn: () => Result | PromiseLike<Result>): Promise<Result> {
  try {
    const result = fn();
    if (result instanceof Promise && result.then === Promise.prototype.then) return result;
    return Promise.resolve(result);
  } catch (error) {
    return Promise.reject(error);
  }
}

function held(link: Link, execution: Execution, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      giveUp();
      reject(signal?.reason);
    };
    const giveUp = link.hold(execution, ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function modeOf({ mode = "observe" }: GateOptions, warn: (warning: GateWarning) => void): Gate["mode"] {
  if (mode === "observe" || mode === "shadow" || mode === "enforce") return mode;
  warn({
    code: "mode",
    message: `mode is '${String(mode)}': 'observe', 'shadow' or 'enforce' is expected; it observes`,
  });
  return "observe";
}

function transportOf({ url, token }: GateOptions, warn: (warning: GateWarning) => void): Transport {
  const { EVENKEEL_GATE_URL, EVENKEEL_TOKEN } = process.env;
  try {
    return createTransport(url ?? EVENKEEL_GATE_URL ?? "http://127.0.0.1:9040", token ?? EVENKEEL_TOKEN);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    warn({ code: "url", message: `the gatekeeper's url cannot be used (${why}): work runs ungated` });
    return { post: () => Promise.reject(new Error(why)), follow: () => () => {} };
  }
}

function nameOf(name: unknown): string {
  return String(name).slice(0, 200) || "unknown";
}

function positive(value: number | undefined, otherwise: number): number {
  return typeof value === "number" && value > 0 ? value : otherwise;
}
