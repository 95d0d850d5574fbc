/** What long work gives: replays under other budgets, and simulations. */
import { z } from "zod";
import { count, seconds, share, time, triple } from "./units.ts";

const measures = z.object({
  windows: count,
  inBand: share.nullable(),
  idleShare: share.nullable(),
  deviationP95: z.number().nullable(),
  executed: count,
  delayMean: seconds.nullable(),
  delayP50: seconds.nullable(),
  delayP95: seconds.nullable(),
  delayP99: seconds.nullable(),
  delayMax: seconds.nullable(),
  peakToMean: z.number().nullable(),
});

/** What recorded traffic would have become with the costs learned by now. Times in Unix ms. */
export const whatIf = z.object({
  from: time,
  to: time,
  executions: count,
  bandWidth: share,
  /** In force now. */
  latencyP95Seconds: seconds,
  /** What did happen. */
  happened: measures,
  points: z.array(
    z.object({ policy: z.enum(["planner", "fifo", "none"]), latencyP95Seconds: seconds.nullable(), measures }),
  ),
  warnings: z.array(z.string()),
});
export type WhatIf = z.infer<typeof whatIf>;

/** How estimates came to the truth in a simulation. Costs in percent of a tick: CPU, IO, memory. */
export const convergence = z.object({
  scenario: z.string(),
  /** The simulation's query that is shown: the one asked for, or where it has none of that id, the one nearest in cost. */
  queryId: z.string(),
  same: z.boolean(),
  truth: triple,
  points: z.array(z.object({ second: count, seen: count, mean: triple, sd: triple })),
});
export type Convergence = z.infer<typeof convergence>;

/** Work that takes longer than an answer may: ask again until it is done. */
const jobOf = <Result extends z.ZodType>(result: Result) =>
  z.discriminatedUnion("state", [
    z.object({ state: z.literal("running"), doing: z.string(), share: share }),
    z.object({ state: z.literal("done"), result }),
    z.object({ state: z.literal("failed"), problem: z.string() }),
  ]);
export const whatIfJob = jobOf(whatIf);
export const convergenceJob = jobOf(convergence);
export type Job<Result> =
  | { readonly state: "running"; readonly doing: string; readonly share: number }
  | { readonly state: "done"; readonly result: Result }
  | { readonly state: "failed"; readonly problem: string };
