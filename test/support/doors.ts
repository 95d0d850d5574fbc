/** Which routes of an app let whom in, asked over real HTTP: every route, method, credential and bind. */
import { type IncomingMessage, request } from "node:http";
import { type HttpApp, type Listening, listen } from "../../platform/http.ts";

/**
 * What a route is: one of the three `plain` calls (no method of its path asks for a token on loopback), a `read` (no
 * token on loopback), a `change` (always a token), `health` or a `page` (never a token).
 */
export type Door = "plain" | "read" | "change" | "health" | "page";

export const token = "the-token-of-this-server";
export const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** What a client may say of itself; only the last two are right. */
export const credentials: Readonly<Record<string, Record<string, string>>> = {
  none: {},
  empty: { authorization: "Bearer " },
  bad: { authorization: "Bearer wrong-token-wrong-token" },
  "another server's": { authorization: "Bearer the-token-of-that-server" },
  "one that was replaced": { authorization: "Bearer the-former-token-of-this" },
  "its beginning": { authorization: `Bearer ${token.slice(0, -1)}` },
  "and more": { authorization: `Bearer ${token}x` },
  "another scheme": { authorization: `Basic ${token}` },
  "without a scheme": { authorization: token },
  "in a cookie": { cookie: `token=${token}; EVENKEEL_TOKEN=${token}` },
  valid: { authorization: `Bearer ${token}` },
  "valid, another case": { authorization: `bearer ${token}` },
};

/** `METHOD path` of each route that an app has; what stands before all routes is none. */
export function routesOf(app: HttpApp): string[] {
  const routes = app.routes.filter(({ method, path }) => !(method === "ALL" && (path === "/*" || path === "*")));
  return [...new Set(routes.map(({ method, path }) => `${method} ${path}`))].sort();
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
}

/** The status of an answer; its body is left unread. */
export function ask({ port }: Listening, { method, path, headers = {} }: Asked): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path, headers, agent: false }, (answer) => {
      resolve(answer);
      answer.destroy();
    });
    sent.on("error", reject);
    sent.end();
  });
}

/**
 * Asks `app` everything and returns what differs from `doors` (`METHOD path` → who is let in). A method that a path has
 * not must be 405, after the same check of credentials as its path's.
 */
export async function wrongDoors(app: HttpApp, doors: Readonly<Record<string, Door>>): Promise<string[]> {
  const wrong = [
    ...routesOf(app).filter((route) => !Object.hasOwn(doors, route)),
    ...Object.keys(doors).filter((route) => !routesOf(app).includes(route)),
  ].map((route) => `${route}: only in one of app and matrix`);
  // Leads to 127.0.0.1, but is none of the names of loopback: such a bind counts as one beyond it.
  for (const host of ["127.0.0.1", "0x7f000001"]) {
    const served = await listen(app, { host, port: 0 });
    for (const path of new Set(Object.keys(doors).map((route) => route.split(" ")[1] ?? ""))) {
      const plain = Object.entries(doors).some(([route, door]) => route.endsWith(` ${path}`) && door === "plain");
      for (const method of methods) {
        const reads = method === "GET" || method === "HEAD" || method === "OPTIONS";
        const door = doors[`GET ${path}`];
        const health = reads && (door === "health" || door === "page");
        const free = health || (host === "127.0.0.1" && (reads || plain));
        const known = Object.hasOwn(doors, `${method} ${path}`);
        for (const [credential, headers] of Object.entries(credentials)) {
          const { statusCode = 0 } = await ask(served, { method, path, headers });
          const letIn = free || credential.startsWith("valid");
          const expected = !letIn ? "401" : known ? "let in" : "405";
          const got = [401, 403, 405].includes(statusCode) ? String(statusCode) : "let in";
          if (got !== expected)
            wrong.push(`${method} ${path} on ${host}, token: ${credential}: ${got}, not ${expected}`);
        }
      }
    }
    await served.close(0);
  }
  return wrong;
}
