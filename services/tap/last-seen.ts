import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Clock } from "../../platform/clock.ts";

const writeEveryMs = 1_000;

/** A small file that says when the tap last saw the server, so that the next tap knows what it has missed. */
export function openLastSeen(file: string, clock: Clock) {
  let writtenAt = Number.NEGATIVE_INFINITY;
  return {
    /** Unix ms; undefined when there is no such file or it cannot be read. */
    read(): number | undefined {
      try {
        const at = Number(readFileSync(file, "utf8"));
        return at > 0 ? at : undefined;
      } catch {
        return undefined;
      }
    },
    /** Notes the time, at most once a second. */
    note(at: number): void {
      if (clock.monotonic() - writtenAt < writeEveryMs) return;
      writtenAt = clock.monotonic();
      try {
        writeFileSync(`${file}.new`, String(at));
        renameSync(`${file}.new`, file);
      } catch {
        // Without it the next tap reports a longer gap than there was.
      }
    },
  };
}
