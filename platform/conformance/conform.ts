/** The conformance test: whether a database server offers what Evenkeel needs, and what a deviation costs. */
import type { ServerInfo } from "../wire.ts";
import type { Finding, Verdict } from "./findings.ts";
import { judge } from "./judge.ts";
import { tryOptional, tryRequests } from "./requests.ts";
import { type WatchOptions, watch } from "./watch.ts";

export interface ConformOptions extends Omit<WatchOptions, "trials"> {
  readonly windowMs: number;
  /** The server's own name and port. */
  readonly host: string;
  /** Whether two executions may be delayed, by 15 ticks each. */
  readonly mayDelay: boolean;
  readonly firstEvent: () => Promise<string>;
}

export interface Conformance {
  /** `usable`: nothing is wrong, something deviates. */
  readonly verdict: "conforms" | "usable" | "unusable";
  readonly findings: readonly Finding[];
  /** Where the server describes itself. */
  readonly server: ServerInfo | undefined;
}

/**
 * Tests a server: watches it, delays two executions, and sends it what it must refuse.
 * @throws whatever `ask` rejects with while the server is not even reached
 */
export async function conform(options: ConformOptions): Promise<Conformance> {
  const { ask, host, firstEvent, mayDelay, tickMs, windowMs } = options;
  const optional = await tryOptional(ask, firstEvent);
  const watched = await watch({ ...options, trials: mayDelay ? [[15], [8, 7]] : [] });
  const requests = await tryRequests(ask, host);
  const findings = [...judge(watched, { tickMs, windowMs }), ...requests, ...optional.findings];
  const has = (verdict: Verdict) => findings.some((finding) => finding.verdict === verdict);
  return {
    verdict: has("wrong") ? "unusable" : has("deviates") ? "usable" : "conforms",
    findings,
    server: optional.server,
  };
}
