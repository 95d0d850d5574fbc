/** What a person should know; the work goes on in any case. */
export interface GateWarning {
  /** What kind it is: each kind is told once a minute at most. */
  readonly code: string;
  /** One line. Holds no SQL. */
  readonly message: string;
}

/** What would have become of an execution in mode `enforce`. */
export interface ShadowFate {
  readonly id: string;
  readonly delayMs: number;
  readonly why: string;
}

export interface GateOptions {
  /** The gatekeeper's address; `EVENKEEL_GATE_URL`, else `http://127.0.0.1:9040`. */
  readonly url?: string | undefined;
  /** The gatekeeper's token; `EVENKEEL_TOKEN`. */
  readonly token?: string | undefined;
  /** The database and the role that statements run as: a query is one of its database and role. */
  readonly database: string;
  readonly role: string;
  /** The application's name, as it is shown; otherwise its program's. */
  readonly application?: string | undefined;
  /** `observe` (default): records, delays nothing. `shadow`: also says what would have been delayed. `enforce`: delays. */
  readonly mode?: "observe" | "shadow" | "enforce" | undefined;
  /** Without an answer of the gatekeeper for so long, work runs at once. Default 250 ms. */
  readonly answerWithinMs?: number | undefined;
  /** How many ended executions are kept while the gatekeeper is away; more are counted. Default 10,000. */
  readonly keepExecutions?: number | undefined;
  /** Default: `process.emitWarning`. */
  readonly onWarning?: ((warning: GateWarning) => void) | undefined;
  /** Mode `shadow`: told of each deferrable execution. */
  readonly onShadow?: ((fate: ShadowFate) => void) | undefined;
}

/** A piece of work. */
export interface Work {
  /** The statement that it runs; constants and lengths of lists do not matter. */
  readonly sql?: string | undefined;
  /** A name instead, for work that is more than one statement: without white space and `#`. */
  readonly id?: string | undefined;
  /** At most how long it may be held, in ms; 0: never. */
  readonly deferBy?: number | undefined;
  /** When it must have begun, if that is earlier: a date or Unix ms. */
  readonly deadline?: Date | number | undefined;
  /** Gives it up while it is held. */
  readonly signal?: AbortSignal | undefined;
  /**
   * What it needs besides, such as a connection of a pool: asked for when the work is let go, and not taken for running
   * while it waits for that. Costs are learned better so. When it fails the work is not run.
   */
  readonly before?: (() => unknown) | undefined;
}

/** Longest hold, in ms: a day. */
const longestMs = 86_400_000;

/** How long work may be held, in ms; 0: not at all. What cannot be used is told, and the work is not held. */
export function holdMs({ deferBy, deadline }: Work, warn: (warning: GateWarning) => void): number {
  if (deferBy === undefined && deadline === undefined) {
    const message = "neither deferBy nor deadline was given: the work runs at once (deferBy: 0 says that without this)";
    warn({ code: "deferBy-missing", message });
    return 0;
  }
  let ms = longestMs;
  if (deferBy !== undefined) {
    if (typeof deferBy !== "number" || Number.isNaN(deferBy) || deferBy < 0) {
      warn({ code: "deferBy", message: `deferBy is ${String(deferBy)}: it is 0 or more ms; the work runs at once` });
      return 0;
    }
    ms = Math.min(ms, deferBy);
  }
  if (deadline !== undefined) {
    const at = Number(deadline);
    if (Number.isNaN(at)) {
      warn({ code: "deadline", message: "deadline is neither a date nor Unix ms; the work runs at once" });
      return 0;
    }
    ms = Math.min(ms, Math.max(0, at - Date.now()));
  }
  return ms;
}

/** Passes on each kind of warning once a minute, and never throws. */
export function warner(onWarning: GateOptions["onWarning"]): (warning: GateWarning) => void {
  const toldAt = new Map<string, number>();
  return (warning) => {
    const now = performance.now();
    const before = toldAt.get(warning.code);
    if (before !== undefined && now - before < 60_000) return;
    toldAt.set(warning.code, now);
    try {
      if (onWarning) onWarning(warning);
      else process.emitWarning(warning.message, { type: "EvenkeelGate", code: warning.code });
    } catch {
      // A faulty listener must not harm the work.
    }
  };
}
