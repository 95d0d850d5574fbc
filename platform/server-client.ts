/** Client of a database server's API: the three calls that every server has, and those that ours and the tap add. */
import type { z } from "zod";
import type { Clock } from "./clock.ts";
import { defaultReach, type Reach } from "./server-address.ts";
import { type Answer, okText, parse, reasonOf, unreachable } from "./server-answers.ts";
import { StaleFence } from "./server-errors.ts";
import { type FollowOptions, followStream } from "./server-stream.ts";
import { createTransport } from "./server-transport.ts";
import { type PlaceResponse, placeResponse, queuedExecutions, resources, type ServerInfo, serverInfo } from "./wire.ts";

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
    follow: (following) => followStream({ transport, clock, random, idleMs, maxCharacters }, following),
  };
}
