import type { Execution } from "./record.ts";

interface Held {
  readonly execution: Execution;
  /** Monotonic ms. */
  readonly until: number;
  /** Whether the gatekeeper has it. */
  answered: boolean;
  readonly release: () => void;
}

/** What is held: until it is let go, its time is over, or the gatekeeper does not answer. Each is let go once. */
export class Holds {
  readonly #held = new Map<string, Held>();

  get size(): number {
    return this.#held.size;
  }

  get all(): Iterable<Pick<Held, "execution" | "until">> {
    return this.#held.values();
  }

  /**
   * Holds it for `ms`, and for `answerWithinMs` only where nothing is answered.
   * @returns what gives it up; false when it had been let go before
   */
  add(id: string, execution: Execution, ms: number, answerWithinMs: number, onRelease: () => void): () => boolean {
    const end = (): boolean => {
      if (!this.#held.delete(id)) return false;
      clearTimeout(limit);
      clearTimeout(answer);
      return true;
    };
    const release = () => {
      if (end()) onRelease();
    };
    const held: Held = { execution, until: execution.arrivedAt + ms, answered: false, release };
    this.#held.set(id, held);
    const limit = setTimeout(release, ms);
    const answer = setTimeout(() => {
      if (!held.answered) release();
    }, answerWithinMs);
    return end;
  }

  answered(id: string): void {
    const held = this.#held.get(id);
    if (held) held.answered = true;
  }

  release(id: string): void {
    this.#held.get(id)?.release();
  }

  releaseAll(): void {
    for (const { release } of [...this.#held.values()]) release();
  }
}
