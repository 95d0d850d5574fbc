import type { CostEstimate } from "../types.ts";

/** What one execution is expected to do: CPU work in ms, over how many ms with the server to itself. */
export interface Profile {
  readonly workMs: number;
  readonly durationMs: number;
  /** One standard deviation of `workMs` as it is known. */
  readonly sdMs: number;
}

const shortestMs = 0.1;

export function profileOf({ mean, sd, durationMs }: CostEstimate): Profile {
  const workMs = Math.max(shortestMs, mean[0]);
  return { workMs, durationMs: Math.max(shortestMs, durationMs ?? workMs), sdMs: sd[0] };
}

/** CPU ms that an execution started `sinceMs` before `from` uses from `from` to `to` (ms): its work lies evenly over its duration. */
export function usedBetween({ workMs, durationMs }: Profile, from: number, to: number): number {
  const overlap = Math.min(to, durationMs) - Math.max(from, 0);
  return overlap <= 0 ? 0 : (workMs * overlap) / durationMs;
}
