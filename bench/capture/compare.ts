import { crc32 } from "node:zlib";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { readLedger } from "../../platform/ledger-file.ts";
import { readExecutions } from "../../platform/tables/executions.ts";

/**
 * A server's ledger against the rows of its queries in the table: lost is what was executed and is not there under its
 * number with its content; duplicated is what is there besides. Query by query, since the embedded emulator sorts the whole
 * table for each page of a scan: five million rows would take it hours.
 */
export async function compare(
  document: DynamoDBDocumentClient,
  table: string,
  serverId: string,
  ledgerFile: string,
): Promise<{ lost: number; duplicated: number }> {
  /** Checksums by sequence number: of one incarnation, which belongs to what is summed. */
  const executed: number[] = [];
  const queries = new Set<string>();
  let [from, to, lost] = [Number.POSITIVE_INFINITY, 0, 0];
  for await (const entry of readLedger(ledgerFile)) {
    executed[entry.sequence ?? 0] = checksum(entry);
    queries.add(entry.queryId);
    from = Math.min(from, entry.executedAt);
    to = Math.max(to, entry.executedAt);
    lost++;
  }
  const found = new Uint8Array(executed.length);
  let duplicated = 0;
  for (const queryId of queries) {
    const { executions, unreadable } = await readExecutions(document, table, serverId, queryId, from, to);
    if (unreadable[0]) throw new Error(`${unreadable[0].key}: ${unreadable[0].problem}`);
    for (const row of executions) {
      if (executed[row.sequence] !== checksum(row) || found[row.sequence]) duplicated++;
      else {
        found[row.sequence] = 1;
        lost--;
      }
    }
  }
  return { lost, duplicated };
}

function checksum(row: {
  readonly incarnation: string | undefined;
  readonly executionId: string;
  readonly queryId: string;
  readonly tick: number;
}): number {
  return crc32(`${row.incarnation} ${row.executionId} ${row.queryId} ${row.tick}`);
}
