/** What the outbox's parts share: how SQLite's failures are named, and transactions. */
import type { DatabaseSync } from "node:sqlite";

/** One line that says what is wrong with an outbox and what to do. */
export class OutboxError extends Error {
  override readonly name: string = "OutboxError";
}

/** Nothing more can be taken in: the disk, or the outbox's share of it, is full. Nothing was written. */
export class OutboxFull extends OutboxError {
  override readonly name = "OutboxFull";
}

/** The file is damaged. */
export class OutboxDamaged extends OutboxError {
  override readonly name = "OutboxDamaged";
}

export const sqlite = { busy: 5, io: 10, corrupt: 11, full: 13, cannotOpen: 14, notADatabase: 26 } as const;

/** SQLite's primary result code, if the error is SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return Number(error.errcode) & 0xff;
}

/** Gives SQLite's errors the names of this module; others stay as they are. */
export function translate(error: unknown, file: string): unknown {
  switch (sqliteCode(error)) {
    case undefined:
      return error;
    case sqlite.full:
    case sqlite.io:
      return new OutboxFull(`${file} cannot be written: the disk is full or failing`, { cause: error });
    case sqlite.corrupt:
    case sqlite.notADatabase:
      return new OutboxDamaged(`${file} is damaged`, { cause: error });
    case sqlite.cannotOpen:
      return new OutboxError(`${file} cannot be opened: is its directory there and writable?`, { cause: error });
    default:
      return new OutboxError(`${file} cannot be used`, { cause: error });
  }
}

/** Runs `work` as one transaction: afterwards all of it is on disk, or none. */
export function transaction<Result>(db: DatabaseSync, work: () => Result): Result {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** @throws OutboxDamaged when a column is not a number */
export function numbersOf(row: Readonly<Record<string, unknown>>, ...columns: readonly string[]): number[] {
  return columns.map((column) => {
    const value = row[column];
    if (typeof value !== "number") throw new OutboxDamaged(`${column} is not a number`);
    return value;
  });
}
