import { createDocument } from "../../platform/aws.ts";
import { parseEnvironment } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { readLedger } from "../../platform/ledger-file.ts";
import { scanExecutions } from "../../platform/tables/executions.ts";

/**
 * A server's ledger against every row of it in the table: lost is what was executed and is not there under its number with
 * its content; duplicated is what is there besides.
 */
export async function compare(
  environment: Readonly<Record<string, string | undefined>>,
  serverId: string,
  ledgerFile: string,
): Promise<{ lost: number; duplicated: number }> {
  const names = parseEnvironment(workloadEnvironment.pick({ EVENKEEL_EXECUTIONS_TABLE: true }), environment);
  const document = createDocument(environment);
  const recorded = new Map<string, number>();
  const identity = (row: {
    incarnation?: string | undefined;
    sequence?: number | undefined;
    executionId: string;
    queryId: string;
    tick: number;
  }) => `${row.incarnation} ${row.sequence} ${row.executionId} ${row.queryId} ${row.tick}`;
  for await (const item of scanExecutions(document, names.EVENKEEL_EXECUTIONS_TABLE, serverId)) {
    const id = identity(item);
    recorded.set(id, (recorded.get(id) ?? 0) + 1);
  }
  document.destroy();
  let lost = 0;
  let duplicated = 0;
  for await (const entry of readLedger(ledgerFile)) {
    const id = identity(entry);
    const times = recorded.get(id) ?? 0;
    if (times === 0) lost++;
    else duplicated += times - 1;
    recorded.delete(id);
  }
  for (const times of recorded.values()) duplicated += times;
  return { lost, duplicated };
}
