import { z } from "zod";
import { mutants } from "./mutants.ts";

/** What a campaign tells the simulated database's process (preload.ts), as a JSON file. */
export const controlSchema = z.object({
  clockOffsetMs: z.number().default(0),
  /** Where the process that runs now kills itself, the next time that it comes by. */
  death: z.object({ at: z.enum(["before transaction", "before commit", "after commit"]), id: z.number() }).optional(),
  mutant: z.enum(mutants).optional(),
});
export type Control = z.infer<typeof controlSchema>;
