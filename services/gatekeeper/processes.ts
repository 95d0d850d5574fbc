import type { GateBatch, GateMessage } from "../../platform/gate-wire.ts";

/** One process of an application, as long as it is known. */
export interface Process {
  readonly id: string;
  readonly application: string;
  readonly database: string;
  readonly role: string;
  mode: GateBatch["mode"];
  readonly streams: Set<(message: GateMessage) => void>;
  /** Monotonic ms. */
  lastBatchAt: number;
  /** When its last stream ended; when it was first heard of, before it had one. */
  streamlessSince: number;
  /** Number of its last batch, and of the last one whose rows are on disk. */
  received: number;
  durable: number;
  closing: boolean;
}

/** A process without a stream for so long is taken to have died. */
const graceMs = 5_000;
/** A process tells what it begins at once unless it told something just before: after this much silence nothing is untold. */
const quietMs = 500;
const mostProcesses = 512;

export class Processes {
  readonly #known = new Map<string, Process>();

  get all(): readonly Process[] {
    return [...this.#known.values()];
  }

  find(id: string): Process | undefined {
    return this.#known.get(id);
  }

  /** Undefined when there are too many. */
  heard(
    { process: id, application, database, role, mode, number, closing }: GateBatch,
    now: number,
  ): Process | undefined {
    let known = this.#known.get(id);
    if (!known) {
      if (this.#known.size >= mostProcesses) return undefined;
      known = {
        ...{ id, application, database, role, mode, streams: new Set(), closing: false },
        ...{ lastBatchAt: now, streamlessSince: now, received: -1, durable: -1 },
      };
      this.#known.set(id, known);
    }
    known.lastBatchAt = now;
    if (known.streams.size === 0) known.streamlessSince = Math.max(known.streamlessSince, now);
    known.mode = mode;
    known.received = Math.max(known.received, number);
    known.closing = closing === true;
    return known;
  }

  /** Those that are gone; `untold`: something that it had begun may be missing. */
  takeDead(now: number): { process: Process; untold: boolean }[] {
    const dead = this.all.filter(
      ({ streams, streamlessSince, closing }) => streams.size === 0 && (closing || now - streamlessSince > graceMs),
    );
    return dead.map((process) => {
      this.#known.delete(process.id);
      return { process, untold: !process.closing && process.streamlessSince - process.lastBatchAt < quietMs };
    });
  }
}

/** Sends it to the process, wherever it is connected. */
export function send(process: Process, message: GateMessage): void {
  for (const stream of process.streams) stream(message);
}
