import { z } from "zod";

/** What a campaign tells the simulated database's process (preload.ts), as a JSON file. */
export const controlSchema = z.object({
  clockOffsetMs: z.number().default(0),
  /** Where the process that runs now kills itself, the next time that it comes by. */
  death: z.object({ at: z.enum(["before transaction", "before commit", "after commit"]), id: z.number() }).optional(),
  /** `greatest seen`: receipts say that everything before the last of them is recorded, too. */
  mutant: z.enum(["greatest seen"]).optional(),
});
export type Control = z.infer<typeof controlSchema>;
