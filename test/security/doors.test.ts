import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createApp, HttpApp, type Listening, listen, refuseHead } from "../../platform/http.ts";
import { silentLog as log } from "../../platform/log.ts";
import { createPlainApi, createServerApi, HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import { viewPaths } from "../../services/console/app.ts";
import { createStatusApp } from "../../services/scheduler/status.ts";
import { createIdleConsole } from "../support/console.ts";
import { ask, type Door, token, wrongDoors } from "../support/doors.ts";
import { createIdleGatekeeper } from "../support/gatekeeper.ts";

/** Answers nothing: only who is let in matters here. */
const away = () => {
  throw new HostUnavailable("away");
};
const host: ServerHost = {
  queue: away,
  resources: away,
  delay: away,
  place: away,
  info: away,
  subscribe: away,
};

const plainCalls = { "GET /queued": "plain", "GET /resources": "plain", "POST /delay": "plain" } as const;

/** Every app that we serve, with who is let in by each of its routes. A new route or app gets its line here. */
const apps: Readonly<Record<string, { source: string; app: () => HttpApp; doors: Readonly<Record<string, Door>> }>> = {
  "a plain database": {
    source: "platform/server-api.ts",
    app: () => createPlainApi(host, { log, token }),
    doors: plainCalls,
  },
  "database and tap": {
    source: "platform/server-api.ts",
    app: () => createServerApi(host, { log, token }),
    doors: { ...plainCalls, "GET /server": "read", "GET /stream": "read", "POST /place": "change" },
  },
  gatekeeper: {
    source: "platform/server-api.ts",
    app: () => createIdleGatekeeper(),
    doors: {
      ...plainCalls,
      "GET /server": "read",
      "GET /stream": "read",
      "POST /place": "change",
      "POST /gate": "change",
      "GET /gate": "read",
      "POST /usage": "change",
      "POST /identify": "change",
      "GET /statements": "read",
    },
  },
  scheduler: {
    source: "services/scheduler/status.ts",
    app: () => createStatusApp(log, { token }).app,
    doors: {
      "GET /healthz": "health",
      "GET /status": "read",
      "GET /knobs": "read",
      "PUT /knobs": "change",
      "GET /explain": "read",
      "GET /servers": "read",
      "GET /servers/:serverId/status": "read",
      "GET /servers/:serverId/knobs": "read",
      "PUT /servers/:serverId/knobs": "change",
      "GET /servers/:serverId/explain": "read",
    },
  },
  console: {
    source: "services/console/app.ts",
    app: () => createIdleConsole({ token }),
    doors: {
      "GET /healthz": "health",
      ...Object.fromEntries(viewPaths.map((path) => [`GET ${path}`, "page"] as const)),
      "GET /page/:file{.+}": "page",
      "GET /api/state": "read",
      "GET /api/windows": "read",
      "GET /api/live": "read",
      "PUT /api/knobs": "plain",
      "GET /api/queries": "read",
      "GET /api/queries/:id{.+}": "read",
      "GET /api/why/execution/:id{.+}": "read",
      "GET /api/why/window": "read",
      "GET /api/history": "read",
      "GET /api/history/windows": "read",
      "GET /api/what-if": "read",
      "GET /api/convergence/:id{.+}": "read",
      "GET /api/openapi.json": "read",
      "GET /metrics": "read",
    },
  },
};

describe("routes x methods x credentials x binds", () => {
  it.each(Object.entries(apps))(
    "%s",
    async (_, { app, doors }) => {
      expect(await wrongDoors(app(), doors)).toEqual([]);
    },
    90_000,
  );

  it("names every source that makes an app; nothing else listens for HTTP", () => {
    const sources = globSync("{cli,core,lambdas,local,platform,services,sim-server}/**/*.ts");
    const holding = (text: RegExp) => sources.filter((file) => text.test(readFileSync(file, "utf8"))).sort();
    const known = new Set(Object.values(apps).map(({ source }) => source));
    expect(holding(/(?<!function )\bcreateApp\(/)).toEqual([...known].sort());
    expect(holding(/createAdaptorServer\(|http2?\.createServer\(|new HttpApp\(|new Hono\b/)).toEqual([
      "platform/http.ts",
    ]);
  });
});

describe("planted faults", () => {
  const doors = { "GET /a": "read", "POST /b": "change" } as const;
  const withRoutes = (app: HttpApp): HttpApp => {
    app.get("/a", refuseHead, (context) => context.text("a"));
    app.post("/b", (context) => context.text("b"));
    return app;
  };

  it("finds nothing in an app that is as it should be", async () => {
    expect(await wrongDoors(withRoutes(createApp(log, { token })), doors)).toEqual([]);
  });

  it("finds a route that is not in the matrix", async () => {
    const app = withRoutes(createApp(log, { token }));
    app.put("/c", (context) => context.text("c"));
    expect(await wrongDoors(app, doors)).toEqual(["PUT /c: only in one of app and matrix"]);
  });

  it("finds a route that is open by mistake", async () => {
    const wrong = await wrongDoors(withRoutes(createApp(log, { token, open: ["/b"] })), doors);
    expect(wrong).toContain("POST /b on 127.0.0.1, token: none: let in, not 401");
  });

  it("finds an app without a guard", async () => {
    const wrong = await wrongDoors(withRoutes(new HttpApp({ token })), doors);
    expect(wrong).toContain("POST /b on 127.0.0.1, token: bad: let in, not 401");
    expect(wrong).toContain("GET /a on 0x7f000001, token: none: let in, not 401");
  });

  it("finds a page that asks for a token", async () => {
    const app = withRoutes(createApp(log, { token, pages: ["/b"] }));
    expect(await wrongDoors(app, { ...doors, "GET /a": "page" })).toContain(
      "GET /a on 0x7f000001, token: none: 401, not let in",
    );
  });

  it("finds another token", async () => {
    const wrong = await wrongDoors(withRoutes(createApp(log, { token: "the-former-token-of-this" })), doors);
    expect(wrong).toContain("POST /b on 127.0.0.1, token: one that was replaced: let in, not 401");
    expect(wrong).toContain("POST /b on 127.0.0.1, token: valid: 401, not let in");
  });
});

describe("Host and Origin, before anything else", () => {
  let served: Listening;
  let own: string;
  beforeAll(async () => {
    const app = createServerApi(host, { log, token, allowedHosts: ["db.internal", "named.example:9443"] });
    served = await listen(app, { host: "127.0.0.1", port: 0 });
    own = `127.0.0.1:${served.port}`;
  });
  afterAll(() => served.close(0));

  const authorization = `Bearer ${token}`;
  const status = async (method: string, path: string, headers: Record<string, string>) =>
    (await ask(served, { method, path, headers: { authorization, ...headers } })).statusCode;
  /** What is no host name at all is already 400 by what stands below the app. */
  const refusal = async (method: string, path: string, name: string) => {
    const code = await status(method, path, { host: name });
    return code === 403 || code === 400 ? "refused" : code;
  };

  it.each([
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "db.internal.evil.example",
    "xdb.internal",
    "named.example",
    "named.example:80",
    "user@localhost",
    "localhost/x",
    "localhost#evil.example",
    "localhost?x",
    "0.0.0.0",
    "127.0.0.2",
    "10.0.0.1",
    "169.254.169.254",
    "[::]",
    "[::ffff:127.0.0.1]",
    "localhost:port",
    "localhost:99999",
    " ",
    "a b",
    "%00",
  ])("the host '%s' is refused on every route, known or not", async (name) => {
    for (const path of ["/queued", "/stream", "/nowhere"]) {
      expect([path, await refusal("GET", path, name)]).toEqual([path, "refused"]);
    }
    for (const path of ["/delay", "/place", "/nowhere"]) {
      expect([path, await refusal("POST", path, name)]).toEqual([path, "refused"]);
    }
  });

  it.each([
    "localhost",
    "LOCALHOST:1",
    "127.0.0.1",
    "[::1]:9000",
    "db.internal",
    "DB.internal:9",
    "named.example:9443",
  ])("the host '%s' is served", async (name) => {
    expect(await status("GET", "/queued", { host: name })).toBe(503);
    expect(await status("POST", "/nowhere", { host: name })).toBe(404);
  });

  it.each([
    "http://evil.example",
    "https://evil.example",
    "null",
    "",
    "http://localhost.evil.example",
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    "http://[::1]:1",
    "file://",
    "chrome-extension://abcdefgh",
    "http://db.internal",
    "http://user@OWN",
    "http://OWN/path",
    "http://OWN.evil.example",
  ])("the origin '%s' is refused, also on the three calls", async (pattern) => {
    const origin = pattern.replace("OWN", own);
    for (const [method, path] of [
      ["POST", "/delay"],
      ["POST", "/place"],
      ["GET", "/queued"],
    ] as const) {
      expect([path, await status(method, path, { origin })]).toEqual([path, 403]);
    }
  });

  it("a page of the server's own may ask, a form on another site may not", async () => {
    expect(await status("POST", "/nowhere", { origin: `http://${own}` })).toBe(404);
    expect(await status("POST", "/nowhere", { origin: `http://${own}`, "sec-fetch-site": "same-origin" })).toBe(404);
    for (const site of ["cross-site", "same-site", "anything"]) {
      expect(await status("POST", "/delay", { "sec-fetch-site": site })).toBe(403);
    }
    // Following a link from elsewhere is a read without an Origin.
    expect(await status("GET", "/queued", { "sec-fetch-site": "cross-site" })).toBe(503);
  });

  it("a request without a Host is refused", async () => {
    expect((await createPlainApi(host, { log }).request("/queued", {}, {})).status).toBe(403);
  });
});

describe("a bind that other machines reach", () => {
  it.each(["0.0.0.0", "::", "", "192.0.2.1", "example.org", "127.0.0.1.example.org", "localhost.example.org"])(
    "to '%s' refuses to start without a token, in one line",
    async (name) => {
      const started = listen(createPlainApi(host, { log }), { host: name, port: 0 });
      await expect(started).rejects.toThrow(
        `other machines reach ${name}: set EVENKEEL_TOKEN to a secret, or bind 127.0.0.1`,
      );
    },
  );

  it("a server without a token, on loopback, lets nothing be changed but by the three calls", async () => {
    const served = await listen(createServerApi(host, { log }), { host: "127.0.0.1", port: 0 });
    expect((await ask(served, { method: "POST", path: "/place" })).statusCode).toBe(403);
    expect((await ask(served, { method: "POST", path: "/delay" })).statusCode).toBe(400);
    await served.close(0);
  });
});
