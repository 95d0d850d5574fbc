/**
 * The engine's own account of what it executed, apart from the outbox, for audits. Never reachable over HTTP. Its format
 * stands with its reader, platform/ledger-file.ts. About 45 bytes an execution; why it is synced once a second only:
 * docs/adr/0404.
 */
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from "node:fs";

export interface LedgerTick {
  readonly tick: number;
  /** Unix ms. */
  readonly at: number;
  /** Where the outbox put the executions; undefined without one. */
  readonly sequences: { readonly incarnation: string; readonly first: number } | undefined;
  readonly executed: readonly { readonly id: string; readonly queryId: string }[];
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
