/**
 * The engine's own account of what it executed, apart from the outbox, for audits. Never reachable over HTTP. Its format
 * stands with its reader, platform/ledger-file.ts. About 45 bytes an execution; why it is synced once a second only, and what
 * goes when it is large: docs/adr/0404 and 0726.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { fullFile, fullFiles } from "../../platform/ledger-file.ts";

export interface LedgerTick {
  readonly tick: number;
  /** Unix ms. */
  readonly at: number;
  /** Where the outbox put the executions; undefined without one. */
  readonly sequences: { readonly incarnation: string; readonly first: number } | undefined;
  readonly executed: readonly { readonly id: string; readonly queryId: string }[];
}

export interface LedgerOptions {
  /** A file of the ledger is full at this size. */
  readonly fileBytes?: number;
  /** Full files that are kept beside the one that is written. */
  readonly keptFiles?: number;
  /** Told when the oldest file is removed: audits no longer cover what ran before. */
  readonly onRemoved?: (file: string) => void;
}

export class Ledger {
  readonly #file: string;
  readonly #start: string;
  readonly #options: Required<LedgerOptions>;
  #fd: number;
  #bytes: number;
  readonly #queries = new Map<string, number>();
  #incarnation: string | undefined;
  #torn = true;
  #syncing = false;

  constructor(file: string, epoch: string, serverId: string, options: LedgerOptions = {}) {
    this.#file = file;
    this.#start = `epoch ${epoch} ${serverId};\n`;
    this.#options = { fileBytes: 64e6, keptFiles: 15, onRemoved: () => {}, ...options };
    this.#fd = openSync(file, "a");
    this.#bytes = fstatSync(this.#fd).size;
    this.#write(this.#start);
  }

  /** Nothing is written for a tick in which nothing ran. May be repeated after it threw (disk full). */
  append({ tick, at, sequences, executed }: LedgerTick): void {
    if (executed.length === 0) return;
    if (this.#bytes >= this.#options.fileBytes) this.#beginFile();
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

  /** The full file gets a number, and the oldest goes when there are too many. */
  #beginFile(): void {
    const { keptFiles, onRemoved } = this.#options;
    const next = `${this.#file}.next`;
    // On a full disk this throws, and nothing has changed.
    writeFileSync(next, this.#start);
    const fd = openSync(next, "a");
    const full = fullFiles(this.#file);
    renameSync(this.#file, fullFile(this.#file, (full.at(-1) ?? 0) + 1));
    renameSync(next, this.#file);
    this.close();
    this.#fd = fd;
    this.#bytes = this.#start.length;
    this.#torn = false;
    this.#queries.clear();
    this.#incarnation = undefined;
    for (const number of full.slice(0, Math.max(0, full.length + 1 - keptFiles))) {
      rmSync(fullFile(this.#file, number), { force: true });
      onRemoved(fullFile(this.#file, number));
    }
  }

  #write(text: string): void {
    const bytes = Buffer.from(this.#torn ? `\n${text}` : text);
    this.#torn = true;
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written);
    this.#torn = false;
    this.#bytes += bytes.length;
  }
}
