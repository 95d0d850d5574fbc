/** Follows a server's event stream, over whatever ends it. */
import type { IncomingMessage } from "node:http";
import { createParser } from "eventsource-parser";
import type { Clock } from "./clock.ts";
import { parse, refused, unreachable } from "./server-answers.ts";
import { BadAnswer, ServerError, ServerUnreachable } from "./server-errors.ts";
import type { Transport } from "./server-transport.ts";
import { type HelloEvent, type StreamEvent, streamEvent } from "./wire.ts";

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Of the lease, where a scheduler follows: so the server knows that somebody is there who places. */
  readonly fence?: number;
  /** Called with every event in order; each connection begins with a `hello`. "again": drop this connection, ask for a fresh `hello`. */
  onEvent(event: StreamEvent): "again" | undefined;
  /** Called each time the stream ends or cannot be opened. */
  onTrouble(error: ServerError): void;
  /** Told how long this thread read and consumed what had come, in ms. */
  onBusy?(ms: number): void;
}

export interface StreamSource {
  readonly transport: Transport;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads reconnects. */
  readonly random: () => number;
  /** A stream silent for longer is dropped: 20 ticks, but within these bounds. */
  readonly idleMs: { readonly min: number; readonly max: number };
  readonly maxCharacters: number;
}

const firstBackoffMs = 50;
const longestBackoffMs = 1_000;
const helloTimeoutMs = 5_000;

/** Until `signal` aborts, opening it again with back-off and jitter. */
export async function followStream(source: StreamSource, options: FollowOptions): Promise<void> {
  const { clock, random } = source;
  let backoffMs = firstBackoffMs;
  while (!options.signal.aborted) {
    // Aborts the connection, too, when the consumer wants another one or throws.
    const connection = new AbortController();
    const end = () => connection.abort();
    options.signal.addEventListener("abort", end);
    try {
      await readStream(source, connection.signal, {
        ...options,
        onEvent(event) {
          backoffMs = firstBackoffMs;
          return options.onEvent(event);
        },
      });
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      options.onTrouble(error);
    } finally {
      options.signal.removeEventListener("abort", end);
      connection.abort();
    }
    await clock.sleep(backoffMs * (0.5 + random() / 2), options.signal);
    backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
  }
}

async function readStream(
  { transport, clock, idleMs, maxCharacters }: StreamSource,
  signal: AbortSignal,
  options: FollowOptions,
): Promise<void> {
  const where = `GET ${transport.base}/stream`;
  const idle = new AbortController();
  const idleTimer = createIdleTimer(idle, helloTimeoutMs);
  let consuming = false;
  const consume = (event: StreamEvent) => {
    consuming = true;
    const wish = options.onEvent(event);
    consuming = false;
    return wish;
  };
  try {
    const path = options.fence === undefined ? "/stream" : `/stream?fence=${options.fence}`;
    const response = await transport.open(path, AbortSignal.any([signal, idle.signal]));
    response.setEncoding("utf8");
    const status = response.statusCode ?? 0;
    if (status !== 200) throw refused({ where, status, text: await beginning(response) });
    const events: StreamEvent[] = [];
    let bad: ServerError | undefined;
    const parser = createParser({
      maxBufferSize: maxCharacters,
      onEvent: ({ data }) => events.push(parse(streamEvent, data, where)),
      onError: (error) => {
        bad = new BadAnswer(`${where}: ${error.message}`, { cause: error });
      },
    });
    let hello: HelloEvent | undefined;
    for await (const text of response) {
      idleTimer.touch();
      const startedAt = clock.monotonic();
      try {
        parser.feed(String(text));
        if (bad) throw bad;
        for (const event of events.splice(0)) {
          if (event.type === "hello") {
            hello = event;
            idleTimer.touch(Math.min(Math.max(idleMs.min, 20 * event.tickMs), idleMs.max));
          }
          if (!hello) throw new BadAnswer(`${where}: the first event is not a hello`);
          if (signal.aborted || consume(event) === "again") return;
        }
      } finally {
        options.onBusy?.(clock.monotonic() - startedAt);
      }
    }
    throw new ServerUnreachable(`${where}: the server ended the stream`, "no", undefined);
  } catch (cause) {
    if (consuming) throw cause;
    if (signal.aborted) return;
    throw cause instanceof ServerError ? cause : unreachable(where, idle.signal.aborted ? idle.signal.reason : cause);
  } finally {
    idleTimer.stop();
  }
}

/** What a refused stream says for itself; the rest stays unread. */
async function beginning(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const part of response) {
    text += String(part);
    if (text.length > 1_000) break;
  }
  return text;
}

function createIdleTimer(controller: AbortController, firstMs: number) {
  let ms = firstMs;
  const expire = () => controller.abort(new Error(`silent for ${ms} ms`));
  let timer = setTimeout(expire, ms);
  return {
    touch(newMs = ms) {
      if (newMs === ms) timer.refresh();
      else {
        clearTimeout(timer);
        ms = newMs;
        timer = setTimeout(expire, ms);
      }
    },
    stop: () => clearTimeout(timer),
  };
}
