/** Requests to a database server: pooled, timed, bounded, and only to addresses that may be reached. */
import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";
import { guardedLookup, parseServerUrl, type Reach, type Resolve } from "./server-address.ts";

export interface TransportOptions {
  readonly url: string;
  /** Sent with every request. */
  readonly token?: string | undefined;
  readonly reach: Reach;
  readonly resolve?: Resolve | undefined;
  readonly requestTimeoutMs: number;
  /** A longer answer is refused. */
  readonly maxCharacters?: number;
}

export interface Exchanged {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Transport {
  /** The server's address without a slash at its end. */
  readonly base: string;
  /** One request and its whole answer. Redirects are answers like any other: none is followed. */
  exchange(method: string, path: string, body?: string, more?: Readonly<Record<string, string>>): Promise<Exchanged>;
  /** GET of an answer that goes on; `signal` ends it. */
  open(path: string, signal: AbortSignal): Promise<IncomingMessage>;
}

const mostCharacters = 64 * 1024 * 1024;

/** @throws ConfigError when the URL is outside `reach` */
export function createTransport(options: TransportOptions): Transport {
  const { url, token, reach, resolve, requestTimeoutMs, maxCharacters = mostCharacters } = options;
  const base = parseServerUrl(url, reach).href.replace(/\/$/, "");
  const { Agent, request } = base.startsWith("https:") ? https : http;
  const agent = new Agent({ keepAlive: true, lookup: guardedLookup(reach, resolve) });
  const credentials: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return {
    base,
    // Not `fetch`: at 40 requests a second it takes twice the processor time and three times the memory (measured).
    exchange: (method, path, body, more = {}) =>
      new Promise((resolve, reject) => {
        // Node adds no length of its own to a DELETE.
        const about: Record<string, string | number> =
          body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
        const headers = { ...credentials, ...about, ...more };
        const sent = request(`${base}${path}`, { method, agent, headers }, (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            text += part;
            if (text.length > maxCharacters) sent.destroy(new Error("the answer is too long"));
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
          response.on("error", reject);
        });
        const expire = () => sent.destroy(new Error(`no answer within ${requestTimeoutMs} ms`));
        const timer = setTimeout(expire, requestTimeoutMs);
        sent.on("error", reject);
        sent.on("close", () => clearTimeout(timer));
        sent.end(body);
      }),
    open: (path, signal) =>
      new Promise((resolve, reject) => {
        const headers = { ...credentials, accept: "text/event-stream" };
        const sent = request(`${base}${path}`, { agent, headers, signal }, resolve);
        sent.on("error", reject);
        sent.end();
      }),
  };
}
