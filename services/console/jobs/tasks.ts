/** What a job's thread is told and tells. */
import { z } from "zod";
import { schedulerKnobs } from "../../../platform/scheduler-status.ts";
import { convergence, whatIf } from "../contract/jobs.ts";

const whatIfTask = z.object({
  kind: z.literal("what-if"),
  serverId: z.string(),
  from: z.number(),
  to: z.number(),
  defaultDelayTicks: z.int(),
  knobs: schedulerKnobs,
  /** Undefined: as many as show the frontier. */
  budgets: z.array(z.number()).optional(),
});
const convergenceTask = z.object({
  kind: z.literal("convergence"),
  /** The program that prints a scenario's traffic and true costs. */
  simulator: z.string(),
  scenario: z.string(),
  seed: z.string().optional(),
  minutes: z.number(),
  queryId: z.string(),
  /** What is believed of it now: tells which query of the simulation is nearest. */
  mean: z.tuple([z.number(), z.number(), z.number()]).nullable(),
});
export const task = z.discriminatedUnion("kind", [whatIfTask, convergenceTask]);
export type Task = z.infer<typeof task>;
export type WhatIfTask = z.infer<typeof whatIfTask>;
export type ConvergenceTask = z.infer<typeof convergenceTask>;

export const told = z.discriminatedUnion("type", [
  z.object({ type: z.literal("progress"), doing: z.string(), share: z.number() }),
  z.object({ type: z.literal("done"), result: z.union([whatIf, convergence]) }),
  z.object({ type: z.literal("failed"), problem: z.string() }),
]);
export type Told = z.infer<typeof told>;
/** Tells how far it is. */
export type Say = (doing: string, share: number) => void;

/** Why a job cannot be done, in one line for a person. */
export class TaskError extends Error {
  override readonly name = "TaskError";
}
