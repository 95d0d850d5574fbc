import type { Log } from "../../platform/log.ts";

/** Tells what is wrong in one line when it begins or changes, and once when it is over: not ten times a second. */
export class Told {
  readonly #log: Log;
  readonly #current = new Map<string, string>();

  constructor(log: Log) {
    this.#log = log;
  }

  trouble(about: string, message: string): void {
    if (this.#current.get(about) === message) return;
    this.#current.set(about, message);
    this.#log.warn(message);
  }

  /** Something to know that is no trouble, once; it ends a trouble about the same. */
  news(about: string, message: string): void {
    if (this.#current.get(about) === message) return;
    this.#current.set(about, message);
    this.#log.info(message);
  }

  fine(about: string, message: string): void {
    if (this.#current.delete(about)) this.#log.info(message);
  }
}
