/**
 * What a power loss may leave of an outbox's files. Between two syncs a disk may have written any part of what it was
 * given, sector by sector, in any order; what was synced is there.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const files = ["outbox.sqlite", "outbox.sqlite-wal", "outbox.sqlite.mark"] as const;
type Files = readonly (Buffer | undefined)[];

/** A call and the files as it left them. */
export interface Step {
  readonly files: Files;
  /** Rows that had been acknowledged when the call returned. */
  readonly acknowledged: number;
}

/**
 * Which calls end with the write-ahead log synced. SQLite syncs it at each commit with FULL, with NORMAL only before a
 * checkpoint (https://sqlite.org/pragma.html#pragma_synchronous); the database file is written by checkpoints only, after
 * the log is synced, and synced before the log is written anew.
 */
export type Policy = "FULL" | "NORMAL";

const [database, log, mark] = [0, 1, 2];
const sectorBytes = 512;

export function readFiles(directory: string): Files {
  return files.map((name) => (existsSync(join(directory, name)) ? readFileSync(join(directory, name)) : undefined));
}

export function writeFiles(directory: string, image: Files): void {
  for (const [index, name] of files.entries()) {
    const content = image[index];
    if (content) writeFileSync(join(directory, name), content);
  }
}

/** One image of a crash during step `at` (from 1 on). `uniform` draws in [0, 1). */
export function crashImage(steps: readonly Step[], at: number, policy: Policy, uniform: () => number): Files {
  const step = steps[at];
  let synced = at - 1;
  if (policy === "NORMAL") while (synced > 0 && !checkpoints(steps, synced)) synced--;
  const before = steps[synced];
  if (!step || !before) throw new RangeError(`no step ${at}`);
  const checkpoint = checkpoints(steps, at);
  // A checkpoint begins once the log is whole, and the log goes once the database is whole.
  const phase = checkpoint ? Math.floor(3 * uniform()) : 0;
  const share = uniform();
  const torn = (from: Buffer | undefined, to: Buffer | undefined) => tear(from, to, share, uniform);
  // The log is removed by the checkpoint; until then it holds what the step before left.
  const whole = step.files[log] ?? steps[at - 1]?.files[log];
  const images = [
    { database: before.files[database], log: torn(before.files[log], whole) },
    { database: torn(before.files[database], step.files[database]), log: whole },
    { database: step.files[database], log: uniform() < 0.5 ? whole : step.files[log] },
  ];
  const image = images[phase];
  // The mark is never synced: any of its values may be there.
  const marked = steps[Math.floor(uniform() * (at + 1))]?.files[mark];
  return [image?.database, image?.log, marked];
}

function checkpoints(steps: readonly Step[], at: number): boolean {
  const [now, before] = [steps[at]?.files[database], steps[at - 1]?.files[database]];
  return now !== undefined && before !== undefined && !now.equals(before);
}

/** `from` with some of the sectors in which `to` differs; how many depends on `share`. Half of the time in order. */
function tear(from: Buffer | undefined, to: Buffer | undefined, share: number, uniform: () => number) {
  if (!to) return from;
  const torn = Buffer.alloc(Math.max(from?.length ?? 0, to.length));
  from?.copy(torn);
  const sectors: number[] = [];
  for (let start = 0; start < to.length; start += sectorBytes) {
    const end = Math.min(start + sectorBytes, to.length);
    if (!from || end > from.length || from.compare(to, start, end, start, end) !== 0) sectors.push(start);
  }
  const inOrder = uniform() < 0.5;
  const written = sectors.filter((_, index) => (inOrder ? index < share * sectors.length : uniform() < share));
  for (const start of written) to.copy(torn, start, start, Math.min(start + sectorBytes, to.length));
  const end = Math.max(from?.length ?? 0, ...written.map((start) => Math.min(start + sectorBytes, to.length)));
  return torn.subarray(0, end);
}
