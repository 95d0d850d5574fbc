/** Damages an SQLite file that nobody has open. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, statSync, truncateSync, writeSync } from "node:fs";

const pageBytes = 4_096;

/** Overwrites parts of one to three pages, seldom the first one. */
export function damageFile(file: string, random: () => number): void {
  const fd = openSync(file, "r+");
  const pages = Math.max(1, Math.floor(fstatSync(fd).size / pageBytes));
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    const page = random() < 0.1 ? 0 : Math.floor(random() * pages);
    const junk = Buffer.from(Array.from({ length: 512 }, () => Math.floor(random() * 256)));
    writeSync(fd, junk, 0, junk.length, page * pageBytes + Math.floor(random() * (pageBytes - junk.length)));
  }
  closeSync(fd);
}

/** Cuts off the newest frames of the write-ahead log, the last one in its midst; or the end of the file where there is none. */
export function tearFile(file: string, random: () => number): void {
  const log = `${file}-wal`;
  const end = existsSync(log) ? endOfLog(readFileSync(log)) : 0;
  const torn = end > headerBytes ? log : file;
  const last = torn === log ? end : statSync(file).size;
  truncateSync(torn, Math.max(0, last - 1 - Math.floor(random() * Math.min(last, 20 * frameBytes))));
}

const headerBytes = 32;
const frameBytes = 24 + pageBytes;

/** Where the frames end that belong to the log: those with its salts. What is behind is of its last use (SQLite, "WAL File Format"). */
function endOfLog(log: Buffer): number {
  const salts = log.subarray(16, 24);
  let end = headerBytes;
  while (end + frameBytes <= log.length && log.subarray(end + 8, end + 16).equals(salts)) end += frameBytes;
  return end;
}
