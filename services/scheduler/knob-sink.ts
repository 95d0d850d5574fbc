/** Where changed parameters turn knobs, apart from the client of Parameter Store, which not every scheduler loads. */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import type { KnobsChange } from "../../platform/scheduler-status.ts";
import { readState, writeState } from "../../platform/tables/scheduler-state.ts";

/** By parameter: the last value and version that were acted on, by whichever process. */
const appliedSchema = z.record(z.string(), z.string());
export type Applied = z.infer<typeof appliedSchema>;

/** Turns knobs, and remembers which parameters it has turned them for. */
export interface KnobSink {
  readonly changeKnobs: (change: KnobsChange) => Promise<unknown>;
  readonly readApplied: () => Promise<Applied>;
  readonly writeApplied: (applied: Applied) => Promise<void>;
}

/** The applied ones are kept in item `parameters` of table `scheduler-state`. */
export function createKnobSink(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  changeKnobs: KnobSink["changeKnobs"],
): KnobSink {
  return {
    changeKnobs,
    readApplied: async () => {
      const stored = await readState(document, table, serverId, "parameters");
      return appliedSchema.catch({}).parse(stored?.value);
    },
    writeApplied: async (applied) => {
      await writeState(document, table, serverId, "parameters", applied, 0);
    },
  };
}
