/** An outbox's file: its tables, who owns it, and what its failures mean. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { SettledEntries } from "./outbox-settled.ts";
import { numbersOf, OutboxDamaged, OutboxError, sqlite, sqliteCode, transaction, translate } from "./outbox-sqlite.ts";
import { type Range, RangeSet } from "./range-set.ts";
import type { GapRow } from "./wire.ts";

/**
 * `rows.position` never repeats (AUTOINCREMENT: without it a fully trimmed table restarts at 1). An incarnation has the
 * positions from `firstPosition` up to the next one's. `settled`: positions with nothing left to do; `at` is the
 * retention time at which their receipts were seen, null once their rows are no longer held. `losses`: yet to be told.
 */
const schema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE incarnations (firstPosition INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, why TEXT NOT NULL) STRICT;
  CREATE TABLE rows (position INTEGER PRIMARY KEY AUTOINCREMENT, checksum INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE settled (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER) STRICT;
  CREATE TABLE losses (since INTEGER NOT NULL, until INTEGER NOT NULL, reason TEXT NOT NULL) STRICT;
  PRAGMA user_version = 1;
`;

export interface Incarnation {
  readonly id: string;
  readonly firstPosition: number;
}

/** A row as it lies on disk: JSON without its sequence number. */
export interface StoredRow {
  readonly position: number;
  readonly body: string;
}

export type Loss = Omit<GapRow, "sequence" | "epoch">;

/** An open file and what is known of it. */
export interface LoadedFile {
  readonly db: DatabaseSync;
  readonly incarnations: Incarnation[];
  /** Positions with nothing left to do, as the table `settled` has them. */
  readonly settled: RangeSet;
  readonly entries: SettledEntries;
  lastPosition: number;
  losses: Loss[];
  /** Rows from here on were appended, and never compared with the table; infinite when there are none. */
  readonly uncomparedFrom: number;
  readonly retentionMs: number;
  readonly retentionWall: number;
  readonly insertRow: StatementSync;
  readonly readRows: StatementSync;
  readonly deleteRows: StatementSync;
  readonly firstHeld: StatementSync;
  readonly saveMeta: StatementSync;
  readonly pages: StatementSync;
}

/** Tells a damaged or misplaced row from a whole one. */
export function checksum(position: number, body: string): number {
  return crc32(body, position >>> 0);
}

/** @throws OutboxDamaged when the row is not as it was written */
export function storedRow(raw: Readonly<Record<string, unknown>>): StoredRow {
  const { position, body } = raw;
  if (typeof position !== "number" || typeof body !== "string" || raw.checksum !== checksum(position, body)) {
    throw new OutboxDamaged(`row ${String(position)} is damaged`);
  }
  return { position, body };
}

/** The rows of `range`, which must all be held, in order, until they have `maxBytes` (always at least one). */
export function readRows(file: LoadedFile, { first, last }: Range, maxBytes: number): StoredRow[] {
  const rows: StoredRow[] = [];
  let bytes = 0;
  for (const raw of file.readRows.iterate(first, last)) {
    const row = storedRow(raw);
    if (row.position !== first + rows.length) break;
    bytes += Buffer.byteLength(row.body) + 32;
    if (rows.length > 0 && bytes > maxBytes) return rows;
    rows.push(row);
  }
  if (first + rows.length <= last) throw new OutboxDamaged(`row ${first + rows.length} is missing`);
  return rows;
}

/** When the row's event happened, Unix ms. */
export function timeOf(body: string): number {
  const match = /"(?:executedAt|endedAt|to)":(\d+)/.exec(body);
  return Number(match?.[1] ?? 0);
}

/** Where a repaired file waits until it takes the damaged one's place. */
export function repairedPath(file: string): string {
  return `${file}.repaired`;
}

/**
 * Opens a whole file, or makes a new one.
 * @throws OutboxDamaged when it is not whole, OutboxError
 */
export function loadFile(file: string, serverId: string, uuid: () => string): LoadedFile {
  finishRepair(file);
  const db = new DatabaseSync(file, { timeout: 2_000 });
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    db.exec("PRAGMA journal_size_limit = 16777216; PRAGMA cell_size_check = ON");
    const version = db.prepare("PRAGMA user_version").get()?.user_version;
    if (version === 0) createTables(db, serverId, uuid());
    else if (version !== 1) {
      throw new OutboxError(`${file} has format ${version} and this program knows 1: use the program that wrote it`);
    }
    const loaded = readState(db);
    const owner = readMeta(db, "serverId");
    if (owner !== serverId) throw new OutboxError(`${file} is the outbox of server ${owner}, not of ${serverId}`);
    checkUnsettledRows(loaded);
    return loaded;
  } catch (error) {
    db.close();
    throw translate(error, file);
  }
}

export function closeFile({ db }: LoadedFile): void {
  db.close();
}

/** Makes the tables of an empty file, with the first incarnation unless `incarnation` is undefined. */
export function createTables(db: DatabaseSync, serverId: string, incarnation?: string): void {
  transaction(db, () => {
    db.exec(schema);
    db.prepare("INSERT INTO meta VALUES ('serverId', ?)").run(serverId);
    if (incarnation) db.prepare("INSERT INTO incarnations VALUES (1, ?, 'created')").run(incarnation);
  });
}

/** A crash may have come between a repair and its last step, which puts the repaired file in the damaged one's place. */
export function finishRepair(file: string): void {
  if (!existsSync(repairedPath(file))) return;
  // The damaged file's log must not be replayed onto the repaired one.
  for (const suffix of ["-wal", "-shm", "-journal"]) rmSync(`${file}${suffix}`, { force: true });
  renameSync(repairedPath(file), file);
}

function readState(db: DatabaseSync): LoadedFile {
  const settled = new RangeSet();
  for (const entry of db.prepare("SELECT first, last FROM settled ORDER BY first").iterate()) {
    const [first = 0, last = 0] = numbersOf(entry, "first", "last");
    settled.add({ first, last });
  }
  const incarnations = db
    .prepare("SELECT firstPosition, id FROM incarnations ORDER BY firstPosition")
    .all()
    .map((entry) => {
      const [firstPosition = 0] = numbersOf(entry, "firstPosition");
      return { id: String(entry.id), firstPosition };
    });
  const newest = incarnations.at(-1);
  if (!newest) throw new OutboxDamaged("no incarnation is on file");
  const losses = db
    .prepare("SELECT since, until, reason FROM losses")
    .all()
    .map((entry): Loss => {
      const [from = 0, to = 0] = numbersOf(entry, "since", "until");
      return { type: "gap", from, to, reason: String(entry.reason) };
    });
  const lastGiven = db.prepare("SELECT max(seq) AS seq FROM sqlite_sequence").get()?.seq;
  return {
    db,
    incarnations,
    settled,
    entries: new SettledEntries(db),
    lastPosition: Math.max(Number(lastGiven ?? 0), settled.ranges.at(-1)?.last ?? 0, newest.firstPosition - 1),
    losses,
    uncomparedFrom: Number(readMeta(db, "uncomparedFrom") ?? Number.POSITIVE_INFINITY),
    retentionMs: Number(readMeta(db, "retentionMs") ?? 0),
    retentionWall: Number(readMeta(db, "retentionWall") ?? Number.MAX_SAFE_INTEGER),
    insertRow: db.prepare("INSERT INTO rows VALUES (?, ?, ?)"),
    readRows: db.prepare("SELECT position, checksum, body FROM rows WHERE position BETWEEN ? AND ? ORDER BY position"),
    deleteRows: db.prepare("DELETE FROM rows WHERE position BETWEEN ? AND ?"),
    firstHeld: db.prepare("SELECT min(position) AS position FROM rows"),
    saveMeta: db.prepare("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"),
    pages: db.prepare(
      "SELECT (page_count - freelist_count) * page_size AS used FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    ),
  };
}

/** Bytes of the file that hold something. */
export function usedBytes({ pages }: LoadedFile): number {
  return Number(pages.get()?.used ?? 0);
}

/** What waits must be there and whole. What is recorded is looked at when it is needed again. */
function checkUnsettledRows({ settled, lastPosition, readRows }: LoadedFile): void {
  for (const { first, last } of settled.missing({ first: 1, last: lastPosition })) {
    let expected = first;
    for (const raw of readRows.iterate(first, last)) {
      const { position } = storedRow(raw);
      if (position !== expected++) break;
    }
    if (expected !== last + 1) throw new OutboxDamaged(`row ${expected} is missing`);
  }
}

function readMeta(db: DatabaseSync, name: string): string | undefined {
  const value = db.prepare("SELECT value FROM meta WHERE name = ?").get(name)?.value;
  return typeof value === "string" ? value : undefined;
}

/**
 * Makes this process the outbox's only owner, until it ends or calls what is returned. The lock is on a file of its own
 * and holds while the outbox is repaired.
 * @throws OutboxError when another process is the owner
 */
export function lockOwner(file: string): () => void {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(`${file}.lock`, { timeout: 2_000 });
    lock.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    lock?.close();
    if (sqliteCode(error) !== sqlite.busy) throw translate(error, file);
    throw new OutboxError(`${file} belongs to another running process: stop that one, or use another directory`);
  }
  const owned = lock;
  return () => owned.close();
}
