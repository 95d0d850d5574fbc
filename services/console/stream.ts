/** Server-sent events to the page: one a second, each with the windows since the one before. */
import type { LiveEvent, LiveState, WindowPoint } from "./contract/live.ts";

export interface Source {
  state(): LiveState;
  windowsSince(ms: number): WindowPoint[];
}

const everyMs = 1_000;
/** A page that reads nothing for so long is cut off; it comes back and asks for what it missed. */
const patienceMs = 30_000;
const bufferedBytes = 512 * 1024;

/** Streams to as many pages as `mostStreams`. The state of a second is computed once for all. */
export class LiveStreams {
  readonly #source: Source;
  readonly #streams = new Set<() => void>();
  readonly #mostStreams: number;
  #state: LiveState | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: Source, mostStreams = 50) {
    this.#source = source;
    this.#mostStreams = mostStreams;
  }

  get open(): number {
    return this.#streams.size;
  }

  /** A stream that begins with what closed after `since` (Unix ms); undefined when too many are open. */
  create(since: number): ReadableStream<Uint8Array> | undefined {
    if (this.#streams.size >= this.#mostStreams) return undefined;
    const encoder = new TextEncoder();
    let through = since;
    let lastSentAt = performance.now();
    let send: () => void = () => {};
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          send = () => {
            const fits = (controller.desiredSize ?? 0) > 0;
            if (!fits && performance.now() - lastSentAt > patienceMs) {
              this.#close(send);
              controller.error(new Error("too slow"));
            }
            // What a slow reader misses comes with the next event that fits.
            if (!fits) return;
            const windows = this.#source.windowsSince(through);
            through = windows.at(-1)?.at ?? through;
            lastSentAt = performance.now();
            this.#state ??= this.#source.state();
            const event: LiveEvent = { state: this.#state, windows };
            controller.enqueue(encoder.encode(`id: ${through}\nevent: live\ndata: ${JSON.stringify(event)}\n\n`));
          };
          this.#streams.add(send);
          this.#timer ??= setInterval(() => this.#tick(), everyMs);
          this.#timer.unref();
          send();
        },
        cancel: () => this.#close(send),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: bufferedBytes }),
    );
  }

  #tick(): void {
    this.#state = undefined;
    for (const send of this.#streams) send();
  }

  #close(send: () => void): void {
    this.#streams.delete(send);
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#state = undefined;
  }
}
