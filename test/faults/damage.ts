/** Damages an SQLite file that nobody has open. */
import { closeSync, existsSync, fstatSync, openSync, statSync, truncateSync, writeSync } from "node:fs";

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

/** Cuts off the end of the write-ahead log, or of the file where there is none. */
export function tearFile(file: string, random: () => number): void {
  const log = `${file}-wal`;
  const torn = existsSync(log) && statSync(log).size > 0 ? log : file;
  const { size } = statSync(torn);
  truncateSync(torn, Math.max(0, size - 1 - Math.floor(random() * Math.min(size, 20 * pageBytes))));
}
