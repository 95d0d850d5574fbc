import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";

const digits = 16;

/**
 * The highest number that was given out, in a file of its own beside the one that it is about. It is not synced: it
 * survives the death of the process, and so tells when the other file has lost its end since, but not a power loss.
 */
export class HighWaterMark {
  readonly #fd: number;

  constructor(file: string) {
    this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o644);
  }

  /** 0 when none was set, or it cannot be made out. */
  read(): number {
    const buffer = Buffer.alloc(digits);
    const text = buffer.toString("latin1", 0, readSync(this.#fd, buffer, 0, digits, 0));
    return /^\d{16}$/.test(text) ? Number(text) : 0;
  }

  set(number: number): void {
    writeSync(this.#fd, String(number).padStart(digits, "0"), 0, "latin1");
  }

  close(): void {
    closeSync(this.#fd);
  }
}
