import { z } from "zod";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { Knobs } from "../../core/workload/types.ts";
import { identifier } from "../../platform/wire.ts";

/** Item `knobs` of table `scheduler-state`: what is left out has its default. */
const storedKnobs = z.strictObject({
  latencyP95Seconds: z.number().positive().max(3_600).optional(),
  bandWidth: z.number().positive().lt(1).optional(),
  deadlineSeconds: z.record(identifier, z.number().min(0).max(86_400)).optional(),
  timeBudgetMs: z.number().positive().max(1_000).optional(),
});

/** A person's knobs over the defaults, or in one line what is wrong with them. */
export function parseKnobs(value: unknown): { knobs: Knobs } | { wrong: string } {
  if (value === undefined) return { knobs: defaultKnobs };
  const parsed = storedKnobs.safeParse(value);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "knobs"}: ${message}`);
    return { wrong: wrong.join("; ").slice(0, 500) };
  }
  const { latencyP95Seconds, bandWidth, deadlineSeconds, timeBudgetMs } = parsed.data;
  return {
    knobs: {
      latencyP95Seconds: latencyP95Seconds ?? defaultKnobs.latencyP95Seconds,
      bandWidth: bandWidth ?? defaultKnobs.bandWidth,
      deadlineSeconds: deadlineSeconds ?? defaultKnobs.deadlineSeconds,
      timeBudgetMs: timeBudgetMs ?? defaultKnobs.timeBudgetMs,
    },
  };
}
