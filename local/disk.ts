import { mkdirSync, statfsSync } from "node:fs";
import { LocalError } from "./errors.ts";

const neededMegabytes = 500;

/**
 * @param statistics of a path's file system: how many blocks are free, of how many bytes
 * @throws LocalError when the directory cannot be made, or its disk is nearly full
 */
export function assertDiskSpace(
  directory: string,
  statistics: (path: string) => { bavail: number; bsize: number } = statfsSync,
): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : cause;
    throw new LocalError(
      `cannot write to ${directory} (${code}): make it writable, or choose another with --directory`,
      {
        cause,
      },
    );
  }
  const { bavail, bsize } = statistics(directory);
  const free = Math.floor((bavail * bsize) / 1e6);
  if (free >= neededMegabytes) return;
  throw new LocalError(
    `only ${free} MB are free on the disk of ${directory}: make room (${neededMegabytes} MB), or choose another place with --directory`,
  );
}
