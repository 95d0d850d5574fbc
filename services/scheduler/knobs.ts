import { z } from "zod";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { Knobs } from "../../core/workload/types.ts";
import { identifier } from "../../platform/wire.ts";

/** Item `knobs` of table `scheduler-state`: what is left out has its default. */
const storedKnobs = z
  .strictObject({
    latencyP95Seconds: z.number().positive().max(3_600).default(defaultKnobs.latencyP95Seconds),
    bandWidth: z.number().positive().lt(1).default(defaultKnobs.bandWidth),
    deadlineSeconds: z.record(identifier, z.number().min(0).max(86_400)).default({ ...defaultKnobs.deadlineSeconds }),
    timeBudgetMs: z.number().positive().max(1_000).default(defaultKnobs.timeBudgetMs),
  })
  .prefault({});

/** A person's knobs over the defaults, or in one line what is wrong with them. */
export function parseKnobs(value: unknown): { knobs: Knobs } | { wrong: string } {
  const parsed = storedKnobs.safeParse(value);
  if (parsed.success) return { knobs: parsed.data };
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "knobs"}: ${message}`);
  return { wrong: wrong.join("; ").slice(0, 500) };
}
