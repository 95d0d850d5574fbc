import type { Server } from "node:http";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import { ConfigError } from "./config.ts";
import { type Access, assertGuarded, guard, isLoopbackHost } from "./http-guard.ts";
import type { Log } from "./log.ts";

/** An app run by `listen`; called without a socket (in tests) the bindings are missing. */
export type HttpEnvironment = { Bindings: Partial<HttpBindings> & { readonly beyondLoopback?: boolean } };

/** Routes behind a guard; `listen` serves nothing else. */
export class HttpApp extends Hono<HttpEnvironment> {
  readonly access: Access;

  constructor(access: Access) {
    super();
    this.access = access;
  }
}

/** A refusal that the client sees as `{error}`. */
export function httpError(status: ContentfulStatusCode, message: string, cause?: unknown): HTTPException {
  return new HTTPException(status, { message, cause });
}

/**
 * An app with what every route needs: the guard before anything else (`guard`: Host, Origin, token), errors as JSON
 * `{error}`, a wrong method as 405 with Allow.
 */
export function createApp(log: Log, access: Access = {}): HttpApp {
  const app = new HttpApp(access);
  const refuse = (context: Context, status: ContentfulStatusCode, message: string, headers?: Record<string, string>) =>
    context.json({ error: message }, status, headers);

  app.use(
    guard(access, (context, { status, message }) =>
      refuse(context, status, message, status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
    ),
  );
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (context, methods) =>
        refuse(context, 405, "method not allowed", { Allow: methods.join(", ") }),
    }),
  );
  app.notFound((context) => refuse(context, 404, "no such address"));
  app.onError((error, context) => {
    if (error instanceof HTTPException) {
      // What is left of a body that is too large stays unread: the connection cannot be used again.
      const headers: Record<string, string> = error.status === 413 ? { Connection: "close" } : {};
      return refuse(context, error.status, error.message, headers);
    }
    log.error("request failed", { method: context.req.method, path: context.req.path, error });
    return refuse(context, 500, "internal error; the server's log says more");
  });
  return app;
}

/** Middleware: a body beyond `maxBytes` is refused with 413 before it is all read. */
export function limitBody(maxBytes: number) {
  return bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw httpError(413, `the body is larger than ${maxBytes} bytes`);
    },
  });
}

/** Middleware: refuses HEAD, which hono otherwise answers as GET. */
export const refuseHead = createMiddleware(async (context, next) => {
  if (context.req.method === "HEAD") return context.body(null, 405, { Allow: "GET" });
  return next();
});

/**
 * The request's JSON body, parsed by `schema`.
 * @throws HTTPException 400 saying what is wrong
 */
export async function parseBody<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.infer<Schema>> {
  let value: unknown;
  try {
    value = JSON.parse(await context.req.text());
  } catch (cause) {
    throw httpError(400, "the body is not JSON", cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, 5).map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
  throw httpError(400, wrong.join("; ").slice(0, 1000), parsed.error);
}

export interface Listening {
  readonly port: number;
  readonly url: string;
  /** Stops accepting, gives running requests `graceMs`, then cuts what is left. */
  close(graceMs?: number): Promise<void>;
}

const maxConnections = 1_000;

/** After how many ms who is slow is cut off. */
const patience = { headersMs: 5_000, requestMs: 15_000, idleMs: 30_000 };

/**
 * Serves `app`; slow senders of headers or bodies and readers that stand still are cut off (`slow`).
 * @throws ConfigError when the port is taken, the address cannot be bound, or other machines reach it and the app has
 *   no token
 */
export async function listen(
  app: HttpApp,
  { host, port, slow = patience }: { host: string; port: number; slow?: typeof patience },
): Promise<Listening> {
  assertGuarded(host, app.access);
  const beyondLoopback = !isLoopbackHost(host);
  const server = createAdaptorServer({
    fetch: (request, bindings) => app.fetch(request, { ...bindings, beyondLoopback }),
    serverOptions: {
      maxHeaderSize: 16 * 1024,
      headersTimeout: slow.headersMs,
      requestTimeout: slow.requestMs,
      keepAliveTimeout: slow.idleMs,
      connectionsCheckingInterval: Math.min(1_000, slow.headersMs),
    },
  });
  if (!isHttpServer(server)) throw new TypeError("an HTTP/1 server was expected");
  server.maxConnections = maxConnections;
  server.maxHeadersCount = 100;
  // A stream's heartbeat comes more often.
  server.setTimeout(slow.idleMs);
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const code = "code" in cause ? cause.code : undefined;
      const why =
        code === "EADDRINUSE"
          ? "is taken by another process: stop it, or choose another PORT"
          : `cannot be bound: ${cause.message}`;
      reject(new ConfigError(`port ${port} on ${host} ${why}`, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      const bound = typeof address === "object" && address ? address.port : port;
      const shown = host.includes(":") ? `[${host}]` : host;
      resolve({ port: bound, url: `http://${shown}:${bound}`, close: (graceMs = 300) => close(server, graceMs) });
    });
  });
}

function isHttpServer(server: object): server is Server {
  return "closeAllConnections" in server;
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
