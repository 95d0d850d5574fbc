/** Client of the scheduler's HTTP: its status and its knobs. */
import { z } from "zod";
import { type Explanation, explanation, type SchedulerKnobs, schedulerKnobs } from "../../platform/scheduler-status.ts";
import { ServerRefused } from "../../platform/server-errors.ts";
import { type KnobsChange, type SchedulerState, schedulerState } from "./contract/live.ts";

export interface SchedulerClient {
  status(): Promise<SchedulerState>;
  /**
   * The knobs now in force.
   * @throws ServerRefused with the scheduler's own words
   */
  setKnobs(change: KnobsChange): Promise<SchedulerKnobs>;
  /** Why an execution runs when it does, as the scheduler tells it; undefined when it does not know it. */
  explain(executionId: string): Promise<Explanation | undefined>;
}

/** Unix ms: the status then holds no windows. */
const noWindows = 9_999_999_999_999;

const refusal = z.object({ error: z.string() });

export function createSchedulerClient(
  url: string,
  { token, timeoutMs = 2_000 }: { readonly token: string | undefined; readonly timeoutMs?: number },
): SchedulerClient {
  const base = url.replace(/\/+$/, "");
  async function call(method: "GET" | "PUT", path: string, body?: unknown): Promise<Response> {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok) return response;
    const said = refusal.safeParse(await response.json().catch(() => undefined)).data?.error;
    throw new ServerRefused(`${method} ${base}${path}: ${said ?? response.status}`.slice(0, 300), response.status);
  }
  return {
    status: async () => schedulerState.parse(await (await call("GET", `/status?since=${noWindows}`)).json()),
    async setKnobs(change) {
      return schedulerKnobs.parse(await (await call("PUT", "/knobs", change)).json());
    },
    async explain(executionId) {
      try {
        return explanation.parse(
          await (await call("GET", `/explain?execution=${encodeURIComponent(executionId)}`)).json(),
        );
      } catch (error) {
        if (error instanceof ServerRefused && error.status === 404) return undefined;
        throw error;
      }
    },
  };
}
