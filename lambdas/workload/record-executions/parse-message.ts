/** Takes a queue message apart: rows that can be recorded, rows that cannot with the reason, or not ours at all. */
import { problemOf } from "../../../platform/tables/query.ts";
import { type BatchEnvelope, batchEnvelope, type OutboxRow, outboxRow } from "../../../platform/wire.ts";

export interface PoisonRow {
  readonly row: unknown;
  readonly reason: string;
  /** Undefined when neither the row nor its place in the message tells. */
  readonly sequence: number | undefined;
}

export type ParsedMessage =
  | { readonly type: "foreign"; readonly reason: string }
  | {
      readonly type: "batch";
      readonly envelope: BatchEnvelope;
      readonly rows: readonly OutboxRow[];
      readonly poison: readonly PoisonRow[];
    };

export function parseMessage(body: string): ParsedMessage {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    // The error's message quotes the body: reasons are logged, and what queries say is no matter of logs.
    return { type: "foreign", reason: "not JSON" };
  }
  const parsed = batchEnvelope.safeParse(json);
  if (!parsed.success) return { type: "foreign", reason: `not a batch of ours: ${problemOf(parsed.error)}` };
  const envelope = parsed.data;
  const { first, last } = envelope;
  if (last < first) return { type: "foreign", reason: `the range ${first}..${last} is empty` };

  const rows: OutboxRow[] = [];
  const poison: PoisonRow[] = [];
  for (const [index, row] of envelope.rows.entries()) {
    const read = outboxRow.safeParse(row);
    const reason = read.success ? misfit(read.data, first, last) : problemOf(read.error);
    if (read.success && reason === undefined) rows.push(read.data);
    else if (isDeep(row)) return { type: "foreign", reason: `a row is nested deeper than ${maxDepth}` };
    else poison.push({ row, reason: reason ?? "unknown", sequence: sequenceOf(row, index, envelope) });
  }
  return { type: "batch", envelope, rows, poison };
}

/** Beyond it a value may be too deep to be written as JSON again; ours are three deep. */
const maxDepth = 100;

function isDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? Object.values(one) : []));
  }
  return level.length > 0;
}

function misfit(row: OutboxRow, first: number, last: number): string | undefined {
  if (row.sequence < first || row.sequence > last) return `sequence ${row.sequence} is not in ${first}..${last}`;
  if (row.type !== "window") return undefined;
  const { queries, ticks, active = [], usage } = row;
  const unknown = [...ticks.flat(), ...active.map(({ query }) => query)].find((index) => index >= queries.length);
  if (unknown !== undefined) return `no query ${unknown} of ${queries.length}`;
  const fits = !usage || Object.values(usage).every((values) => values.length === ticks.length);
  return fits ? undefined : `usage is not of ${ticks.length} ticks`;
}

/** The row's own number if it can be one, else its place where the message has a row for every number. */
function sequenceOf(row: unknown, index: number, { first, last, rows }: BatchEnvelope): number | undefined {
  const own = typeof row === "object" && row !== null && "sequence" in row ? row.sequence : undefined;
  if (typeof own === "number" && Number.isInteger(own) && own >= first && own <= last) return own;
  return rows.length === last - first + 1 ? first + index : undefined;
}
