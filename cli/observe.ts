/** What the running loop says about itself. */
import { z } from "zod";
import { describeError } from "../platform/log.ts";
import { type SchedulerStatus, schedulerStatus } from "../platform/scheduler-status.ts";
import { type ServerInfo, serverInfo } from "../platform/wire.ts";
import { formatCount, formatSeconds, formatShare } from "./format.ts";

/** An answer, or in one line why there is none. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

export async function ask<Schema extends z.ZodType>(
  url: string,
  schema: Schema,
  token: string | undefined,
): Promise<Answer<z.infer<Schema>>> {
  try {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(2_000) });
    if (!response.ok) return { ok: false, problem: `${url} answers ${response.status}` };
    const parsed = schema.safeParse(await response.json());
    if (parsed.success) return { ok: true, value: parsed.data };
    return { ok: false, problem: `${url} answers something else: ${z.prettifyError(parsed.error).split("\n")[0]}` };
  } catch (error) {
    return { ok: false, problem: `${url}: ${describeError(error)}` };
  }
}

export interface Observation {
  readonly server: Answer<ServerInfo>;
  /** Undefined where no scheduler was asked for. */
  readonly scheduler: Answer<SchedulerStatus> | undefined;
}

/** @param token what both ask for, where they are reached beyond loopback */
export async function observe(
  serverUrl: string,
  schedulerUrl: string | undefined,
  token?: string,
): Promise<Observation> {
  const [server, scheduler] = await Promise.all([
    ask(`${serverUrl}/server`, serverInfo, token),
    schedulerUrl === undefined ? undefined : ask(`${schedulerUrl}/status`, schedulerStatus, token),
  ]);
  return { server, scheduler };
}

/** What does not work at the moment, one line each. */
export function troubleOf({ server, scheduler }: Observation): string[] {
  const trouble: string[] = [];
  if (!server.ok) trouble.push(`database: ${server.problem}`);
  else {
    const { trouble: now, warning } = server.value.outbox;
    if (now) trouble.push(`capture: ${now}`);
    if (warning) trouble.push(`capture: ${warning}`);
  }
  if (scheduler && !scheduler.ok) trouble.push(`scheduler: ${scheduler.problem}`);
  if (scheduler?.ok) trouble.push(...scheduler.value.trouble.map((line) => `scheduler: ${line}`));
  return trouble;
}

/** The loop in one line: what was captured and recorded, how level the load is, what that costs in delay. */
export function statusLine({ server, scheduler }: Observation): string {
  const parts: string[] = [];
  if (server.ok) {
    const { counted, outbox } = server.value;
    parts.push(`captured ${formatCount(counted.executions)}`, `${formatCount(outbox.waiting)} rows to record`);
  } else parts.push("the database does not answer");
  if (scheduler?.ok) {
    const { mode, inBand, delaySeconds, backlog, advice } = scheduler.value;
    parts.push(mode, `in band ${formatShare(inBand.lastMinute)}`, `delay p95 ${formatSeconds(delaySeconds?.p95)}`);
    parts.push(`${formatCount(backlog)} waiting`);
    if (advice) parts.push(advice);
  } else if (scheduler) parts.push("the scheduler does not answer");
  return parts.join(" | ");
}
