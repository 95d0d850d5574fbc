/** Who may ask a server of ours: checked before any route, by every server. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { ConfigError } from "./config.ts";

/** What a server lets in. */
export interface Access {
  /** Names that the server is reached by beyond loopback's: `name`, or `name:port`. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Required for what changes something; for everything on a server bound beyond loopback. Undefined: nothing may be changed. */
  readonly token?: string | undefined;
  /** Paths that need no token on a server bound to loopback, whatever the method. */
  readonly open?: readonly string[] | undefined;
  /**
   * Paths of files that hold no secret: reading them needs no token on any bind, for a browser loads a page before a
   * person can give it his token. One that ends in `/` stands for all below it.
   */
  readonly pages?: readonly string[] | undefined;
  /** Whether a proxy that is trusted vouches for who asks, by what it put into this header: it stands for the token. */
  readonly vouched?: { readonly header: string; check(value: string | undefined): Promise<boolean> } | undefined;
}

/** A refusal: its status and, in one line, why. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly message: string;
}

const loopbackNames: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** Whether only this machine reaches what is bound to `host`. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** @throws ConfigError for a bind that other machines reach, without a token */
export function assertGuarded(host: string, { token }: Access): void {
  if (token === undefined && !isLoopbackHost(host)) {
    throw new ConfigError(`other machines reach ${host}: set EVENKEEL_TOKEN to a secret, or bind 127.0.0.1`);
  }
}

/**
 * Checks, in this order: the Host header against names that the server has (a page whose own name is made to lead here
 * must not read it), the Origin that a browser names against that host, and the token. `GET /healthz` and pages need no token.
 * @param refuse makes the answer
 */
export function guard(access: Access, refuse: (context: Context, refusal: Refusal) => Response): MiddlewareHandler {
  const hosts = new Set([...loopbackNames, ...(access.allowedHosts ?? [])].map((name) => name.toLowerCase()));
  const open = new Set(access.open);
  const isPage = (path: string) =>
    access.pages?.some((page) => path === page || (page.length > 1 && page.endsWith("/") && path.startsWith(page)));
  const expected = access.token === undefined ? undefined : digest(access.token);

  const judge = async (context: Context): Promise<Refusal | undefined> => {
    const { method, path } = context.req;
    const header = (name: string) => context.req.header(name);
    const asked = authority(`http://${header("host") ?? ""}`);
    if (!asked || !(hosts.has(asked.hostname) || hosts.has(asked.host))) {
      return { status: 403, message: "this host name is not served here" };
    }
    const origin = header("origin");
    if (origin !== undefined && authority(origin)?.host !== asked.host) {
      return { status: 403, message: "foreign origin" };
    }
    const reads = method === "GET" || method === "HEAD" || method === "OPTIONS";
    const site = header("sec-fetch-site");
    if (!reads && site !== undefined && site !== "same-origin" && site !== "none") {
      return { status: 403, message: "foreign origin" };
    }
    const beyondLoopback = context.env?.beyondLoopback === true;
    if (reads && (path === "/healthz" || isPage(path))) return undefined;
    if (!beyondLoopback && (reads || open.has(path))) return undefined;
    const { vouched } = access;
    if (vouched && (await vouched.check(header(vouched.header)))) return undefined;
    if (!expected)
      return { status: 403, message: "started without EVENKEEL_TOKEN, this server lets nothing be changed" };
    const [scheme = "", given = ""] = (header("authorization") ?? "").split(" ", 2);
    if (scheme.toLowerCase() === "bearer" && timingSafeEqual(digest(given), expected)) return undefined;
    return { status: 401, message: "a bearer token is needed, the server's EVENKEEL_TOKEN" };
  };

  return async (context, next) => {
    const refusal = await judge(context);
    if (refusal) return refuse(context, refusal);
    return next();
  };
}

/** Digests are of one length, so that comparing them takes one time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Host name and port of a URL; undefined when it is none, or holds more than them. */
function authority(url: string): { hostname: string; host: string } | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, host, username, password, pathname, search, hash } = new URL(url);
  const more = username + password + search + hash !== "" || !(pathname === "/" || pathname === "");
  return more || hostname === "" ? undefined : { hostname, host };
}
