import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { describeError, type Log } from "../../platform/log.ts";

const entries = z.array(z.strictObject({ id: z.string(), application: z.string(), since: z.number() }));
/** A process of an application; what it ran from `since` (Unix ms) on may not be on disk. */
export type RosterEntry = z.infer<typeof entries>[number];

const writeEveryMs = 1_000;

/**
 * A small file with the applications' processes that are known: a gatekeeper that comes after this one so notices those
 * that do not come back. It is not synced: it survives the death of the process.
 */
export class Roster {
  readonly #file: string;
  readonly #log: Log;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #ids = "";
  #trouble = false;

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  /** Those of the gatekeeper before this one. A file that cannot be read stands for one process of which nothing is known. */
  read(): RosterEntry[] {
    let text: string;
    try {
      text = readFileSync(this.#file, "utf8");
    } catch {
      return [];
    }
    try {
      return entries.parse(JSON.parse(text));
    } catch {
      this.#log.warn("the list of applications' processes cannot be read", { file: this.#file });
      return [{ id: "unknown", application: "an unknown application", since: statSync(this.#file).mtimeMs }];
    }
  }

  /** Writes it when somebody came or went, else once a second. @param now monotonic ms */
  write(now: number, known: () => readonly RosterEntry[], ids: string): void {
    if (ids === this.#ids && (ids === "" || now - this.#writtenAt < writeEveryMs)) return;
    this.#writtenAt = now;
    try {
      writeFileSync(`${this.#file}.new`, JSON.stringify(known()));
      renameSync(`${this.#file}.new`, this.#file);
      this.#ids = ids;
      this.#trouble = false;
    } catch (error) {
      if (!this.#trouble) this.#log.warn(`the list of processes cannot be written: ${describeError(error)}`);
      this.#trouble = true;
    }
  }
}
