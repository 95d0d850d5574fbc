/** The database server's HTTP API over any host: the simulated database and the tap both serve this. */
import type { Context } from "hono";
import { z } from "zod";
import { createApp, type HttpApp, type HttpEnvironment, httpError, limitBody, parseBody, refuseHead } from "./http.ts";
import type { Access } from "./http-guard.ts";
import type { Log } from "./log.ts";
import {
  delayRequest,
  type PlaceResponse,
  placeRequest,
  type queuedExecutions,
  type resources,
  type ServerInfo,
  type StreamEvent,
} from "./wire.ts";

export type DelayOutcome =
  | { readonly outcome: "delayed" | "unknown" }
  /** The delay itself is impossible; `reason` is shown to the client. */
  | { readonly outcome: "refused"; readonly reason: string };

/** The host cannot answer now (its own server is away, its disk is full): 503 with this message. */
export class HostUnavailable extends Error {
  override readonly name = "HostUnavailable";
}

/** What the three calls that every server has need. */
export interface PlainHost {
  queue(): z.infer<typeof queuedExecutions>;
  resources(): z.infer<typeof resources>;
  delay(executionId: string, ticks: number): Promise<DelayOutcome>;
}

/** What the extended API needs. Any call may throw `HostUnavailable`. */
export interface ServerHost extends PlainHost {
  info(): ServerInfo;
  /** Undefined: `fence` is lower than one seen before. */
  place(fence: number, placements: z.infer<typeof placeRequest>["placements"]): Promise<PlaceResponse | undefined>;
  /**
   * Calls `listener` with `hello` before it returns, then with every tick; returns what ends that.
   * @param fence of the lease of the scheduler that listens; nobody else has one
   */
  subscribe(listener: (event: StreamEvent) => void, fence?: number): () => void;
}

export interface ServerApiOptions extends Pick<Access, "allowedHosts" | "token"> {
  readonly log: Log;
  /** A stream's reader further behind than this is cut off. */
  readonly streamBufferBytes?: number;
  readonly streamHeartbeatMs?: number;
  readonly maxStreams?: number;
}

const delayBodyBytes = 64 * 1024;
const placeBodyBytes = 1024 * 1024;

/** GET /queued, GET /resources, POST /delay, exactly as every server has them: on loopback none asks for a token. */
export function createPlainApi(host: PlainHost, { log, allowedHosts, token }: ServerApiOptions): HttpApp {
  const app = createApp(log, { allowedHosts, token, open: ["/queued", "/resources", "/delay"] });
  app.get("/queued", refuseHead, async (context) => {
    const queue = await available(() => host.queue());
    return queue.length === 0 ? context.body(null, 204) : context.json(queue);
  });
  app.get("/resources", refuseHead, async (context) => context.json(await available(() => host.resources())));
  app.post("/delay", limitBody(delayBodyBytes), async (context) => {
    const { id, delay } = await parseBody(context, delayRequest);
    const result = await available(() => host.delay(id, delay));
    switch (result.outcome) {
      case "delayed":
        return context.body(null, 200);
      case "unknown":
        throw httpError(404, "no such execution waits: unknown, or already executed");
      case "refused":
        throw httpError(400, result.reason);
    }
  });
  return app;
}

const fenceQuery = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number)
  .optional();

/** The three calls, and ours: GET /server, POST /place, GET /stream. */
export function createServerApi(host: ServerHost, options: ServerApiOptions): HttpApp {
  const app = createPlainApi(host, options);
  app.get("/server", refuseHead, async (context) => context.json(await available(() => host.info())));
  app.post("/place", limitBody(placeBodyBytes), async (context) => {
    const { fence, placements } = await parseBody(context, placeRequest);
    const response = await available(() => host.place(fence, placements));
    if (!response) throw httpError(409, "a scheduler with a higher fence is at work");
    return context.json(response);
  });
  let streams = 0;
  app.get("/stream", refuseHead, async (context) => {
    const fence = fenceQuery.safeParse(context.req.query("fence"));
    if (!fence.success) throw httpError(400, "fence: a whole number is expected, that of the scheduler's lease");
    if (streams >= (options.maxStreams ?? 32)) throw httpError(503, "too many streams are open");
    const body = await available(() => eventStream(context, host, options, () => streams--, fence.data));
    streams++;
    return context.body(body, 200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  });
  return app;
}

/** Calls a host: what it cannot answer now is 503. */
export async function available<Value>(call: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof HostUnavailable ? httpError(503, error.message, error) : error;
  }
}

/** Events as server-sent events. A reader that falls behind is cut off; it comes back and gets a fresh `hello`. */
function eventStream(
  context: Context<HttpEnvironment>,
  host: ServerHost,
  { log, streamBufferBytes = 1024 * 1024, streamHeartbeatMs = 5_000 }: ServerApiOptions,
  onEnd: () => void,
  fence: number | undefined,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let unsubscribe: (() => void) | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    clearInterval(heartbeat);
    unsubscribe?.();
    onEnd();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // The hello of a long queue may be larger than the bound on its own.
        let helloBytes = 0;
        const send = (text: string) => {
          if (ended) return;
          if ((controller.desiredSize ?? 0) + helloBytes <= 0) {
            log.warn("a stream's reader is too slow and is cut off", { bufferedBytes: streamBufferBytes });
            end();
            if (context.env.outgoing) context.env.outgoing.destroy();
            else controller.error(new Error("too slow"));
            return;
          }
          controller.enqueue(encoder.encode(text));
        };
        unsubscribe = host.subscribe((event) => {
          const text = `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
          if (event.type === "hello") helloBytes = Buffer.byteLength(text);
          send(text);
        }, fence);
        heartbeat = setInterval(() => send(": still here\n\n"), streamHeartbeatMs);
        heartbeat.unref();
      },
      cancel: end,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: streamBufferBytes }),
  );
}
