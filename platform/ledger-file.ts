/**
 * Reads a database engine's ledger: its own account of what it executed, apart from the outbox, that audits compare with
 * the tables.
 *
 * Text files: `ledger.log` is written; full ones before it are `ledger.log.1`, `.2` and so on, and the oldest are gone when
 * there are many. Each begins with an epoch line. A line counts when it ends in ";" (one cut off by a kill does not):
 *
 *     epoch <epoch> <serverId>;
 *     query <index> <queryId>;                                       before the query's first execution in the epoch
 *     incarnation <incarnation>;                                     of the sequence numbers that follow; absent without an outbox
 *     tick <tick> <Unix ms> <first sequence> <index>:<executionId>...;   executions in order of their sequence numbers
 */
import { createReadStream, existsSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";

export interface LedgerEntry {
  readonly serverId: string;
  readonly epoch: string;
  /** Undefined, like `sequence`, for a server without an outbox. */
  readonly incarnation: string | undefined;
  readonly sequence: number | undefined;
  readonly tick: number;
  readonly executedAt: number;
  readonly queryId: string;
  readonly executionId: string;
}

/** What ran in one tick. */
export interface LedgerTicks {
  readonly serverId: string;
  readonly epoch: string;
  readonly incarnation: string | undefined;
  /** Unix ms. */
  readonly executedAt: number;
  /** Sequence number of the first execution; undefined, like `incarnation`, for a server without an outbox. */
  readonly first: number | undefined;
  readonly count: number;
  executions(): Generator<LedgerEntry>;
}

/** The number of a ledger's full file, as its name ends. */
export function fullFile(file: string, number: number): string {
  return `${file}.${number}`;
}

/** The numbers of a ledger's full files, oldest first. */
export function fullFiles(file: string): number[] {
  const prefix = `${basename(file)}.`;
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d*$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}

/** Every tick in which something ran, in order. Throws on a line that is whole and not of the format. */
export async function* readLedgerTicks(file: string): AsyncGenerator<LedgerTicks> {
  // Looked for one after the other: one that fills meanwhile is read under its new name.
  for (let number = fullFiles(file)[0] ?? 1; existsSync(fullFile(file, number)); number++)
    yield* readFile(fullFile(file, number));
  yield* readFile(file);
}

async function* readFile(file: string): AsyncGenerator<LedgerTicks> {
  let epoch = "";
  let serverId = "";
  let incarnation: string | undefined;
  let queries = new Map<string, string>();
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (!line.endsWith(";")) continue;
    const [kind, ...words] = line.slice(0, -1).split(" ");
    switch (kind) {
      case "epoch":
        [epoch = "", serverId = ""] = words;
        incarnation = undefined;
        queries = new Map();
        break;
      case "query":
        queries.set(words[0] ?? "", words[1] ?? "");
        break;
      case "incarnation":
        incarnation = words[0];
        break;
      case "tick": {
        const [tick, executedAt, firstSequence, ...items] = words;
        const first = incarnation === undefined ? undefined : Number(firstSequence);
        const of = { serverId, epoch, incarnation, tick: Number(tick), executedAt: Number(executedAt) };
        const names = queries;
        yield {
          serverId,
          epoch,
          incarnation,
          executedAt: of.executedAt,
          first,
          count: items.length,
          *executions() {
            for (const [offset, item] of items.entries()) {
              const [number = "", executionId = ""] = item.split(":");
              const queryId = names.get(number);
              if (queryId === undefined) throw new Error(`${file}: no query ${number}`);
              yield { ...of, sequence: first === undefined ? undefined : first + offset, queryId, executionId };
            }
          },
        };
        break;
      }
      default:
        throw new Error(`${file}: not a line of a ledger: ${line.slice(0, 80)}`);
    }
  }
}

/** Every execution in the ledger, in order. Throws on a line that is whole and not of the format. */
export async function* readLedger(file: string): AsyncGenerator<LedgerEntry> {
  for await (const tick of readLedgerTicks(file)) yield* tick.executions();
}
