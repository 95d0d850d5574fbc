/** Client of a database server's API: the three calls that every server has, and those that ours and the tap add. */
import type { IncomingMessage } from "node:http";
import { createParser } from "eventsource-parser";
import { z } from "zod";
import type { Clock } from "./clock.ts";
import { AddressRefused, defaultReach, type Reach } from "./server-address.ts";
import { BadAnswer, ServerError, ServerRefused, ServerUnreachable, StaleFence } from "./server-errors.ts";
import { createTransport } from "./server-transport.ts";
import {
  type HelloEvent,
  type PlaceResponse,
  placeResponse,
  queuedExecutions,
  resources,
  type ServerInfo,
  type StreamEvent,
  serverInfo,
  streamEvent,
} from "./wire.ts";

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

export interface ServerClient {
  /** GET /queued: whatever waits. */
  queued(): Promise<z.infer<typeof queuedExecutions>>;
  /** GET /resources: the last closed metrics window. */
  resources(): Promise<z.infer<typeof resources>>;
  /** POST /delay. "gone": unknown or already executed (404; one existing server says 500). */
  delay(executionId: string, ticks: number): Promise<"delayed" | "gone">;
  server(): Promise<ServerInfo>;
  /**
   * POST /place.
   * @throws StaleFence when another scheduler has a higher fence
   */
  place(fence: number, placements: readonly { id: string; tick: number }[]): Promise<PlaceResponse>;
  /** Follows the stream until `signal` aborts, opening it again with back-off and jitter. */
  follow(options: FollowOptions): Promise<void>;
}

export interface ServerClientOptions {
  /** Such as `http://127.0.0.1:9000`. */
  readonly url: string;
  /** Sent with every request. */
  readonly token?: string | undefined;
  /** What the URL may lead to. */
  readonly reach?: Reach | undefined;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads reconnects. */
  readonly random: () => number;
  readonly requestTimeoutMs?: number;
  /** A stream silent for longer is dropped: 20 ticks, but within these bounds (the server's heartbeat comes every 5 s). */
  readonly idleMs?: { readonly min: number; readonly max: number };
  /** A longer event or answer is refused. */
  readonly maxCharacters?: number;
}

const firstBackoffMs = 50;
const longestBackoffMs = 1_000;
const helloTimeoutMs = 5_000;
const mostCharacters = 64 * 1024 * 1024;

/**
 * Every call has a time-out and reuses connections. Calls throw `ServerError` only.
 * @throws ConfigError when the URL leads where it may not
 */
export function createServerClient(options: ServerClientOptions): ServerClient {
  const { clock, random, requestTimeoutMs = 1_000, idleMs = { min: 2_000, max: 12_000 } } = options;
  const { url, token, reach = defaultReach, maxCharacters = mostCharacters } = options;
  const transport = createTransport({ url, token, reach, requestTimeoutMs, maxCharacters });
  const { base } = transport;

  async function call(method: "GET" | "POST", path: string, body?: unknown): Promise<Answer> {
    const where = `${method} ${base}${path}`;
    try {
      return {
        where,
        ...(await transport.exchange(method, path, body === undefined ? undefined : JSON.stringify(body))),
      };
    } catch (cause) {
      throw unreachable(where, cause);
    }
  }

  async function openStream(signal: AbortSignal, options: FollowOptions): Promise<void> {
    const where = `GET ${base}/stream`;
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

  return {
    async queued() {
      const answer = await call("GET", "/queued");
      return answer.status === 204 ? [] : parse(queuedExecutions, okText(answer), answer.where);
    },
    async resources() {
      const answer = await call("GET", "/resources");
      return parse(resources, okText(answer), answer.where);
    },
    async delay(id, ticks) {
      const answer = await call("POST", "/delay", { id, delay: ticks });
      if (answer.status === 404 || answer.status === 500) return "gone";
      okText(answer);
      return "delayed";
    },
    async server() {
      const answer = await call("GET", "/server");
      return parse(serverInfo, okText(answer), answer.where);
    },
    async place(fence, placements) {
      const answer = await call("POST", "/place", { fence, placements });
      if (answer.status === 409) throw new StaleFence(`${answer.where}: ${reasonOf(answer.text)}`);
      return parse(placeResponse, okText(answer), answer.where);
    },
    async follow(options) {
      let backoffMs = firstBackoffMs;
      while (!options.signal.aborted) {
        // Aborts the connection, too, when the consumer wants another one or throws.
        const connection = new AbortController();
        const end = () => connection.abort();
        options.signal.addEventListener("abort", end);
        try {
          await openStream(connection.signal, {
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
    },
  };
}

interface Answer {
  readonly where: string;
  readonly status: number;
  readonly text: string;
}

function okText(answer: Answer): string {
  if (answer.status < 200 || answer.status > 299) throw refused(answer);
  return answer.text;
}

function refused({ where, status, text }: Answer): ServerRefused {
  const reason = status >= 300 && status < 400 ? "redirects are not followed" : reasonOf(text);
  return new ServerRefused(`${where}: ${status} ${reason}`, status);
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

const errorBody = z.object({ error: z.string() });

function reasonOf(text: string): string {
  try {
    return errorBody.parse(JSON.parse(text)).error.slice(0, 300);
  } catch {
    return text.replaceAll(/\s+/g, " ").slice(0, 300);
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, text: string, where: string): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BadAnswer(`${where}: the answer is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "answer"}: ${message}`);
  throw new BadAnswer(`${where}: ${wrong.join("; ").slice(0, 300)}`, { cause: parsed.error });
}

/** Codes of failures before a request is on its way. */
const notSent: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  AddressRefused.code,
]);

/** What requests throw: not always an instance of this realm's Error. */
const failure = z.object({ message: z.string().optional(), code: z.string().optional() });

function unreachable(where: string, error: unknown): ServerUnreachable {
  const { message, code } = failure.safeParse(error).data ?? {};
  return new ServerUnreachable(`${where}: ${message || code || error}`, notSent.has(code) ? "no" : "unknown", error);
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
