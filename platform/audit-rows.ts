/** The deep part of an audit: the rows themselves, against receipts and against the engine's ledger. */
import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { AuditSources } from "./audit.ts";
import type { Book } from "./audit-books.ts";
import { type LedgerEntry, readLedger } from "./ledger-file.ts";
import { type Range, RangeSet } from "./range-set.ts";
import { placeOf } from "./tables/executions.ts";
import { scan } from "./tables/query.ts";

export interface DeepFindings {
  /** Rows that a receipt covers, that have not expired, and that no table has. */
  readonly absent: readonly Range[];
  /** Rows beyond the first under one number: they differ, since the same row is the same item. */
  readonly conflicting: number;
  /** Rows that are not what the engine's ledger has under their number; 0 where no ledger was read. */
  readonly wrong: number;
}

const pageRows = 65_536;

/** What stands under each number, as a checksum: 4 bytes a row, since there may be 10^8 of them. */
class Contents {
  readonly #pages = new Map<number, Uint32Array>();

  get(sequence: number): number {
    return this.#pages.get(Math.floor(sequence / pageRows))?.[sequence % pageRows] ?? 0;
  }

  set(sequence: number, checksum: number): void {
    const number = Math.floor(sequence / pageRows);
    const page = this.#pages.get(number) ?? new Uint32Array(pageRows);
    this.#pages.set(number, page);
    page[sequence % pageRows] = checksum;
  }

  /** The parts of `range` where nothing stands. */
  absent({ first, last }: Range): Range[] {
    const absent = new RangeSet();
    for (let sequence = first; sequence <= last; sequence++) {
      if (this.get(sequence) === 0) absent.add({ first: sequence, last: sequence });
    }
    return [...absent.ranges];
  }
}

/** A growing list of 64-bit hashes: 8 bytes an execution. */
class Hashes {
  #values = new BigUint64Array(1_024);
  #count = 0;

  add(text: string): void {
    if (this.#count === this.#values.length) {
      const larger = new BigUint64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = hash("md5", text, "buffer").readBigUInt64LE();
  }

  /** How many are there beyond the first of each. */
  repeats(): number {
    const sorted = this.#values.subarray(0, this.#count).sort();
    let repeats = 0;
    for (let index = 1; index < sorted.length; index++) if (sorted[index] === sorted[index - 1]) repeats++;
    return repeats;
  }
}

/** Scans both tables, and the ledger where there is one. `duplicated`: what stands under more than one number, of all. */
export async function compareRows(
  sources: AuditSources,
  books: readonly Book[],
): Promise<{ duplicated: number; byIncarnation: Map<string, DeepFindings> }> {
  const { server, ledgerFile } = sources;
  const hashes = new Hashes();
  const found = new Map(
    books.map((book) => [book.incarnation, { book, contents: new Contents(), conflicting: 0, wrong: 0 }]),
  );
  for await (const item of rowsOf(sources)) {
    const place = placeOf({ key: String(item.key), at: String(item.at) });
    const of = place && found.get(place.incarnation);
    if (!of) continue;
    const { sequence } = place;
    const identity = identityOf(item);
    const checksum = crc32(identity) || 1;
    const before = of.contents.get(sequence);
    if (before === 0) {
      of.contents.set(sequence, checksum);
      if (identity !== "") hashes.add(identity);
    } else of.conflicting++;
  }
  if (ledgerFile !== undefined) {
    for await (const entry of readLedger(ledgerFile)) {
      const of = entry.serverId === server.serverId && found.get(entry.incarnation ?? "");
      if (!of || entry.sequence === undefined) continue;
      const stored = of.contents.get(entry.sequence);
      if (stored !== 0 && stored !== (crc32(executionIdentity(entry)) || 1)) of.wrong++;
    }
  }
  const byIncarnation = new Map(
    [...found].map(([incarnation, { book, contents, conflicting, wrong }]) => {
      const standing = book.standing.within({ first: 1, last: book.executed });
      return [incarnation, { absent: standing.flatMap((range) => contents.absent(range)), conflicting, wrong }];
    }),
  );
  return { duplicated: hashes.repeats(), byIncarnation };
}

async function* rowsOf({ document, names, server, onProgress }: AuditSources) {
  let rows = 0;
  for (const table of [names.EVENKEEL_EXECUTIONS_TABLE, names.EVENKEEL_WINDOWS_TABLE]) {
    for await (const item of scan(document, table)) {
      if (++rows % 10_000 === 0) onProgress?.(rows);
      if (String(item.key).startsWith(`${server.serverId}#`)) yield item;
    }
  }
}

/** The same for the same execution or window under whatever number; empty for a gap, of which there may be equals. */
function identityOf(item: Readonly<Record<string, unknown>>): string {
  const { epoch, executionId, queryId, tick, endedAt, firstTick } = item;
  if (executionId !== undefined) return executionIdentity({ epoch, executionId, queryId, tick });
  return endedAt === undefined ? "" : `window ${epoch} ${firstTick}`;
}

function executionIdentity({
  epoch,
  executionId,
  queryId,
  tick,
}: Readonly<Record<"epoch" | "executionId" | "queryId" | "tick", unknown>> | LedgerEntry): string {
  return `${epoch} ${executionId} ${queryId} ${tick}`;
}
