/**
 * The engine's own account of what it executed, apart from the outbox, for audits. Never reachable over HTTP.
 *
 * A text file that only grows; a line counts when it ends in ";" (one cut off by a kill does not):
 *
 *     epoch <epoch> <serverId>;
 *     query <index> <queryId>;                                       before the query's first execution in the epoch
 *     incarnation <incarnation>;                                     of the sequence numbers that follow; absent without an outbox
 *     tick <tick> <Unix ms> <first sequence> <index>:<executionId>...;   executions in order of their sequence numbers
 *
 * About 45 bytes an execution. Why it is synced once a second only: docs/adr/0404.
 */
import { closeSync, createReadStream, fdatasync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";

export interface LedgerTick {
  readonly tick: number;
  /** Unix ms. */
  readonly at: number;
  /** Where the outbox put the executions; undefined without one. */
  readonly sequences: { readonly incarnation: string; readonly first: number } | undefined;
  readonly executed: readonly { readonly id: string; readonly queryId: string }[];
}

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

export class Ledger {
  readonly #fd: number;
  readonly #queries = new Map<string, number>();
  #incarnation: string | undefined;
  #torn = true;
  #syncing = false;

  constructor(file: string, epoch: string, serverId: string) {
    this.#fd = openSync(file, "a");
    this.#write(`epoch ${epoch} ${serverId};\n`);
  }

  /** Nothing is written for a tick in which nothing ran. May be repeated after it threw (disk full). */
  append({ tick, at, sequences, executed }: LedgerTick): void {
    if (executed.length === 0) return;
    const lines: string[] = [];
    const newQueries = new Map<string, number>();
    const numberOf = (queryId: string): number => {
      const known = this.#queries.get(queryId) ?? newQueries.get(queryId);
      if (known !== undefined) return known;
      const number = this.#queries.size + newQueries.size;
      newQueries.set(queryId, number);
      lines.push(`query ${number} ${queryId};\n`);
      return number;
    };
    const items = executed.map(({ id, queryId }) => `${numberOf(queryId)}:${id}`);
    if (sequences && sequences.incarnation !== this.#incarnation) lines.push(`incarnation ${sequences.incarnation};\n`);
    lines.push(`tick ${tick} ${at} ${sequences?.first ?? 0} ${items.join(" ")};\n`);
    this.#write(lines.join(""));
    for (const [queryId, number] of newQueries) this.#queries.set(queryId, number);
    this.#incarnation = sequences?.incarnation;
  }

  /** Brings what was written to the disk, in the background. */
  sync(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    // A failing disk shows at the next write.
    fdatasync(this.#fd, () => {
      this.#syncing = false;
    });
  }

  close(): void {
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #write(text: string): void {
    const bytes = Buffer.from(this.#torn ? `\n${text}` : text);
    this.#torn = true;
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written);
    this.#torn = false;
  }
}

/** Every execution in the file, in order. Throws on a line that is whole and not of the format. */
export async function* readLedger(file: string): AsyncGenerator<LedgerEntry> {
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
        const [tick, executedAt, first, ...items] = words;
        for (const [offset, item] of items.entries()) {
          const [number = "", executionId = ""] = item.split(":");
          const queryId = queries.get(number);
          if (queryId === undefined) throw new Error(`${file}: no query ${number}`);
          const sequence = incarnation === undefined ? undefined : Number(first) + offset;
          yield {
            serverId,
            epoch,
            incarnation,
            sequence,
            tick: Number(tick),
            executedAt: Number(executedAt),
            queryId,
            executionId,
          };
        }
        break;
      }
      default:
        throw new Error(`${file}: not a line of a ledger: ${line.slice(0, 80)}`);
    }
  }
}
