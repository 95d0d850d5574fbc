import type { z } from "zod";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import type { Knobs } from "../../core/workload/types.ts";
import { type KnobsChange, schedulerKnobs } from "../../platform/scheduler-status.ts";

/** Item `knobs` of table `scheduler-state`: what a person chose; what is left out has its default. */
const chosenKnobs = schedulerKnobs.partial();
type ChosenKnobs = z.infer<typeof chosenKnobs>;

/** A person's knobs over the defaults, or in one line what is wrong with them. */
export function parseKnobs(value: unknown): { knobs: Knobs; chosen: ChosenKnobs } | { wrong: string } {
  const parsed = chosenKnobs.safeParse(value ?? {});
  if (parsed.success) return { knobs: schedulerKnobs.parse({ ...defaultKnobs, ...parsed.data }), chosen: parsed.data };
  const wrong = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "knobs"}: ${message}`);
  return { wrong: wrong.join("; ").slice(0, 500) };
}

/** What is stored after `change`. */
export function applyChange(chosen: ChosenKnobs, { deadlineSeconds, ...change }: KnobsChange): ChosenKnobs {
  if (!deadlineSeconds) return { ...chosen, ...change };
  const deadlines = Object.entries({ ...chosen.deadlineSeconds, ...deadlineSeconds });
  const kept = deadlines.filter((entry): entry is [string, number] => entry[1] !== null);
  return { ...chosen, ...change, deadlineSeconds: Object.fromEntries(kept) };
}
