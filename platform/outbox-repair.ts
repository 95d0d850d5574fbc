/** Mends a damaged outbox: what is whole goes on under its numbers, what is lost is counted and told. */
import { existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import {
  createTables,
  finishRepair,
  type Incarnation,
  repairedPath,
  type StoredRow,
  storedRow,
  timeOf,
} from "./outbox-file.ts";
import { numbersOf, transaction } from "./outbox-sqlite.ts";
import { type Range, RangeSet } from "./range-set.ts";

export interface RepairOptions {
  readonly file: string;
  readonly serverId: string;
  /** Positions up to here were given out, as far as the caller knows. */
  readonly lastPosition: number;
  /** Unix ms. */
  readonly now: number;
  /** The new incarnation: numbers of the old one may be lost, and must not be given out twice. */
  readonly incarnation: string;
}

export interface RepairReport {
  readonly incarnation: string;
  readonly kept: number;
  readonly lost: number;
  /** Where the damaged file lies now. */
  readonly quarantine: string;
}

/** Reads the damaged file row by row, keeps it beside as `*.damaged-<time>`, and puts a whole one in its place. */
export function repairFile(options: RepairOptions): RepairReport {
  const { file, serverId, now } = options;
  const quarantine = `${file}.damaged-${now}`;
  for (const suffix of ["", "-wal"]) {
    if (existsSync(`${file}${suffix}`)) linkSync(`${file}${suffix}`, `${quarantine}${suffix}`);
  }
  const building = `${file}.building`;
  for (const suffix of ["", "-journal"]) rmSync(`${building}${suffix}`, { force: true });
  const target = new DatabaseSync(building);
  let result: { kept: number; lost: number };
  try {
    target.exec("PRAGMA synchronous = FULL");
    createTables(target, serverId);
    result = transaction(target, () => salvage(quarantine, target, options));
  } finally {
    target.close();
  }
  renameSync(building, repairedPath(file));
  finishRepair(file);
  return { incarnation: options.incarnation, ...result, quarantine };
}

function salvage(source: string, target: DatabaseSync, options: RepairOptions): { kept: number; lost: number } {
  const damaged = new DatabaseSync(source, { timeout: 2_000 });
  try {
    const incarnations = readIncarnations(damaged);
    const settled = readSettled(damaged);
    const lastGiven =
      attempt(() => Number(damaged.prepare("SELECT max(seq) AS seq FROM sqlite_sequence").get()?.seq)) ?? 0;
    const lastKnown = Math.max(
      options.lastPosition,
      lastGiven,
      settled.at(-1)?.last ?? 0,
      (incarnations.at(-1)?.firstPosition ?? 1) - 1,
    );
    const kept = new RangeSet();
    const insert = target.prepare("INSERT INTO rows VALUES (?, ?, ?)");
    let lastTime = attempt(() => Math.floor(statSync(source).birthtimeMs)) ?? 0;
    // Without their incarnation rows have no identity, and sending them under another would record them twice.
    if (incarnations.length > 0) {
      for (const row of wholeRows(damaged, lastKnown)) {
        insert.run(row.position, row.checksum, row.body);
        kept.add({ first: row.position, last: row.position });
        lastTime = Math.max(lastTime, timeOf(row.body));
      }
    }
    const last = Math.max(lastKnown, kept.ranges.at(-1)?.last ?? 0);
    for (const { id, firstPosition } of incarnations) addIncarnation(target, firstPosition, id, "kept");
    addIncarnation(target, last + 1, options.incarnation, "the file was damaged");
    for (const { name, value } of attempt(() => damaged.prepare("SELECT name, value FROM meta").all()) ?? []) {
      target.prepare("INSERT OR IGNORE INTO meta VALUES (?, ?)").run(String(name), String(value));
    }
    // AUTOINCREMENT goes on after `last`.
    target.prepare("DELETE FROM sqlite_sequence WHERE name = 'rows'").run();
    target.prepare("INSERT INTO sqlite_sequence VALUES ('rows', ?)").run(last);

    const recorded = new RangeSet(settled);
    const addSettled = target.prepare("INSERT INTO settled VALUES (?, ?, ?)");
    let lost = 0;
    for (const { first, last: end, at } of settled) {
      for (const part of kept.within({ first, last: end })) addSettled.run(part.first, part.last, at);
      for (const part of kept.missing({ first, last: end })) addSettled.run(part.first, part.last, null);
    }
    for (const part of kept.missing({ first: 1, last })) {
      for (const hole of recorded.missing(part)) {
        addSettled.run(hole.first, hole.last, null);
        lost += hole.last - hole.first + 1;
      }
    }
    // The damaged end of a file does not tell how much it held: even no known loss is a possible one.
    const reason = `the outbox file was damaged: ${lost} rows known to be lost`;
    target.prepare("INSERT INTO losses VALUES (?, ?, ?)").run(Math.min(lastTime, options.now), options.now, reason);
    return { kept: kept.size, lost };
  } finally {
    damaged.close();
  }
}

function addIncarnation(target: DatabaseSync, firstPosition: number, id: string, why: string): void {
  target.prepare("INSERT OR REPLACE INTO incarnations VALUES (?, ?, ?)").run(firstPosition, id, why);
}

/** Undefined where the damage does not let it be read. */
function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function readIncarnations(damaged: DatabaseSync): Incarnation[] {
  return (
    attempt(() =>
      damaged
        .prepare("SELECT firstPosition, id FROM incarnations ORDER BY firstPosition")
        .all()
        .map((entry) => ({ id: String(entry.id), firstPosition: numbersOf(entry, "firstPosition")[0] ?? 0 })),
    ) ?? []
  );
}

function readSettled(damaged: DatabaseSync): (Range & { at: number | null })[] {
  return (
    attempt(() =>
      damaged
        .prepare("SELECT first, last, at FROM settled ORDER BY first")
        .all()
        .map((entry) => {
          const [first = 0, last = 0] = numbersOf(entry, "first", "last");
          return { first, last, at: typeof entry.at === "number" ? entry.at : null };
        }),
    ) ?? []
  );
}

/** Every row that can be read and is as it was written. A page that cannot be read costs the rows on it only. */
function* wholeRows(damaged: DatabaseSync, lastKnown: number): Generator<StoredRow & { checksum: number }> {
  const from = attempt(() =>
    damaged.prepare("SELECT position, checksum, body FROM rows WHERE position >= ? ORDER BY position LIMIT 1"),
  );
  if (!from) return;
  let next = 1;
  while (next <= lastKnown + 1) {
    let raw: Record<string, unknown> | undefined;
    try {
      raw = from.get(next);
    } catch {
      next++;
      continue;
    }
    if (!raw || typeof raw.position !== "number") return;
    const row = attempt(() => storedRow({ ...raw }));
    if (row) yield { ...row, checksum: Number(raw.checksum) };
    next = raw.position + 1;
  }
}
