import type { Knobs } from "../types.ts";

export const defaultKnobs: Knobs = {
  enabled: true,
  latencyP95Seconds: 6,
  bandWidth: 0.1,
  deadlineSeconds: {},
  timeBudgetMs: 10,
  burst: 1000,
};

/** Knobs that no plan can follow; the message says which and what is possible. */
export class KnobsError extends Error {
  override readonly name = "KnobsError";
}

/** @throws KnobsError */
export function checkKnobs(knobs: Knobs): Knobs {
  const { latencyP95Seconds, bandWidth, deadlineSeconds, timeBudgetMs, burst } = knobs;
  if (!(latencyP95Seconds > 0 && latencyP95Seconds <= 3600))
    throw new KnobsError(`latencyP95Seconds must be above 0 and at most 3600, not ${latencyP95Seconds}`);
  if (!(bandWidth > 0 && bandWidth < 1)) throw new KnobsError(`bandWidth must lie between 0 and 1, not ${bandWidth}`);
  if (!(burst >= 1)) throw new KnobsError(`burst must be 1 mean tick or more, not ${burst}`);
  if (!(timeBudgetMs > 0)) throw new KnobsError(`timeBudgetMs must be above 0, not ${timeBudgetMs}`);
  for (const [queryId, seconds] of Object.entries(deadlineSeconds)) {
    if (!(seconds >= 0))
      throw new KnobsError(`the deadline of query ${queryId} must be 0 or more seconds, not ${seconds}`);
  }
  return knobs;
}
