import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Listening, listen } from "../../platform/http.ts";
import { createLog } from "../../platform/log.ts";
import { createPlainApi, createServerApi, HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import type { StreamEvent } from "../../platform/wire.ts";

const band = { average: 1, min: 0, max: 2 };
const hello: StreamEvent = {
  type: "hello",
  serverId: "s",
  epoch: "e",
  tick: 4,
  tickMs: 100,
  windowTicks: 10,
  defaultDelayTicks: 1,
  queue: [],
};

/** A host with one execution, `x`; its answers can be changed. */
class Host implements ServerHost {
  readonly delays: [string, number][] = [];
  readonly listeners = new Set<(event: StreamEvent) => void>();
  readonly fences: (number | undefined)[] = [];
  waiting = true;
  away = false;

  queue(): ReturnType<ServerHost["queue"]> {
    return this.waiting ? [{ query: { id: "q" }, execution: { id: "x", timestamp: 5, tick: 1, arrivedTick: 0 } }] : [];
  }
  resources(): ReturnType<ServerHost["resources"]> {
    if (this.away) throw new HostUnavailable("the server behind is away");
    return { cpu: band, io: band, memory: band, timestamp: 7 };
  }
  async delay(id: string, ticks: number): ReturnType<ServerHost["delay"]> {
    if (this.away) throw new HostUnavailable("the server behind is away");
    if (ticks > 1_000) return { outcome: "refused", reason: "delay: at most 1000 ticks" };
    if (id !== "x") return { outcome: "unknown" };
    this.delays.push([id, ticks]);
    return { outcome: "delayed" };
  }
  async place(fence: number, placements: readonly { id: string; tick: number }[]): ReturnType<ServerHost["place"]> {
    if (fence < 5) return undefined;
    return { tick: 4, results: placements.map(({ id, tick }) => ({ id, outcome: "placed", tick })) };
  }
  info(): ReturnType<ServerHost["info"]> {
    throw new Error("a fault of the host's own");
  }
  subscribe(listener: (event: StreamEvent) => void, fence?: number): () => void {
    this.fences.push(fence);
    listener(hello);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const host = new Host();
const token = "the-token-of-this-test";
const logged: string[] = [];
const log = createLog("test", (line) => logged.push(line));
let served: Listening;
let plain: Listening;

beforeAll(async () => {
  const options = { log, token, streamHeartbeatMs: 20, streamBufferBytes: 50_000, maxStreams: 3 };
  served = await listen(createServerApi(host, options), { host: "127.0.0.1", port: 0 });
  plain = await listen(createPlainApi(host, { log }), { host: "127.0.0.1", port: 0 });
});

afterAll(async () => {
  await served.close();
  await plain.close();
});

interface Answer {
  readonly status: number;
  readonly allow: string | null;
  readonly body: string;
}

async function ask(method: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<Answer> {
  const credentials = path === "/place" || path === "/server" ? { authorization: `Bearer ${token}` } : {};
  const request = { method, headers: { ...credentials, ...headers }, ...(body !== undefined && { body }) };
  const response = await fetch(`${served.url}${path}`, request);
  return { status: response.status, allow: response.headers.get("allow"), body: await response.text() };
}

describe("the three calls", () => {
  it("GET /queued answers an array, or 204 without a body", async () => {
    expect(JSON.parse((await ask("GET", "/queued")).body)).toEqual(host.queue());
    host.waiting = false;
    expect(await ask("GET", "/queued")).toMatchObject({ status: 204, body: "" });
    host.waiting = true;
  });

  it("GET /resources answers the last window", async () => {
    expect(JSON.parse((await ask("GET", "/resources")).body)).toEqual(host.resources());
  });

  it("POST /delay answers 200, or 404 for what is unknown or has run", async () => {
    expect(await ask("POST", "/delay", '{"id":"x","delay":3}')).toMatchObject({ status: 200 });
    expect(host.delays).toEqual([["x", 3]]);
    expect(await ask("POST", "/delay", '{"id":"y","delay":3}')).toMatchObject({ status: 404 });
  });

  it.each([
    ["/queued", "GET", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]],
    ["/resources", "GET", ["POST", "PUT", "DELETE", "HEAD"]],
    ["/delay", "POST", ["GET", "PUT", "DELETE", "HEAD"]],
    ["/server", "GET", ["POST", "HEAD"]],
    ["/place", "POST", ["GET", "HEAD"]],
    ["/stream", "GET", ["HEAD"]],
  ])("%s takes %s only", async (path, allowed, others) => {
    for (const method of others) {
      const { status, allow } = await ask(method, path);
      expect([method, status]).toEqual([method, 405]);
      expect(allow).toContain(allowed);
    }
    expect(host.listeners.size).toBe(0);
  });

  it("is all that a plain server has", async () => {
    for (const path of ["/server", "/stream", "/place"]) expect((await fetch(plain.url + path)).status).toBe(404);
    expect((await fetch(`${plain.url}/queued`)).status).toBe(200);
  });
});

const refusals: readonly (readonly [path: string, body: string, status: number, message: string])[] = [
  ["/delay", "", 400, "the body is not JSON"],
  ["/delay", "{", 400, "the body is not JSON"],
  ["/delay", "\u0000\uffff", 400, "the body is not JSON"],
  ["/delay", "null", 400, "body: "],
  ["/delay", "[]", 400, "body: "],
  ["/delay", '"x"', 400, "body: "],
  ["/delay", '{"delay":1}', 400, "id: "],
  ["/delay", '{"id":"x"}', 400, "delay: "],
  ["/delay", '{"id":"","delay":1}', 400, "id: "],
  ["/delay", '{"id":5,"delay":1}', 400, "id: "],
  ["/delay", '{"id":"a#b","delay":1}', 400, "id: "],
  ["/delay", '{"id":"x","delay":-1}', 400, "delay: "],
  ["/delay", '{"id":"x","delay":0.5}', 400, "delay: "],
  ["/delay", '{"id":"x","delay":"1"}', 400, "delay: "],
  ["/delay", '{"id":"x","delay":null}', 400, "delay: "],
  ["/delay", '{"id":"x","delay":1e400}', 400, "delay: "],
  ["/delay", '{"id":"x","delay":9007199254740993}', 400, "delay: "],
  ["/delay", '{"id":"x","delay":1001}', 400, "delay: at most 1000 ticks"],
  ["/delay", '{"id":"x","delay":1,"now":true}', 400, 'Unrecognized key: \\"now\\"'],
  ["/delay", '{"id":"x","delay":1,"__proto__":{"a":1}}', 400, "Unrecognized key"],
  ["/delay", `${"[".repeat(30_000)}${"]".repeat(30_000)}`, 400, "body: "],
  ["/delay", JSON.stringify({ id: "x".repeat(70_000), delay: 1 }), 413, "larger than 65536 bytes"],
  ["/place", "{}", 400, "fence: "],
  ["/place", '{"fence":-1,"placements":[{"id":"x","tick":1}]}', 400, "fence: "],
  ["/place", '{"fence":5,"placements":[]}', 400, "placements: "],
  ["/place", '{"fence":5,"placements":[{"id":"x","tick":-1}]}', 400, "placements.0.tick: "],
  ["/place", '{"fence":5,"placements":[{"id":"x","tick":1,"y":0}]}', 400, "placements.0: "],
  ["/place", '{"fence":4,"placements":[{"id":"x","tick":1}]}', 409, "higher fence"],
  ["/place", "x".repeat(1_100_000), 413, "larger than 1048576 bytes"],
];

describe("bad input", () => {
  for (const [path, body, status, message] of refusals) {
    it(`POST ${path} ${body.slice(0, 60)} is ${status}`, async () => {
      const before = host.delays.length;
      const answer = await ask("POST", path, body);
      expect([answer.status, answer.body]).toEqual([status, expect.stringContaining(message)]);
      expect(Object.keys(JSON.parse(answer.body))).toEqual(["error"]);
      expect(host.delays).toHaveLength(before);
    });
  }

  it("is refused without end in chunks, too", async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(32)),
    });
    const response = await fetch(`${served.url}/delay`, { method: "POST", body: endless, duplex: "half" }).catch(
      () => undefined,
    );
    expect(response?.status ?? 413).toBe(413);
  });

  it("says where nothing is, who may ask, and hides its own faults", async () => {
    expect(await ask("GET", "/nowhere")).toMatchObject({ status: 404 });
    expect(await ask("GET", "/queued", undefined, { origin: "http://evil.example" })).toMatchObject({ status: 403 });
    expect(await ask("GET", "/queued", undefined, { origin: "null" })).toMatchObject({ status: 403 });
    expect(await ask("GET", "/queued", undefined, { origin: served.url })).toMatchObject({ status: 200 });
    expect(await raw("GET /queued HTTP/1.1\r\nHost: evil.example\r\n\r\n")).toContain("403 Forbidden");
    expect(await ask("GET", "/server")).toMatchObject({
      status: 500,
      body: '{"error":"internal error; the server\'s log says more"}',
    });
    expect(logged.at(-1)).toContain("a fault of the host's own");
  });

  it("answers 503 with the reason when the host cannot", async () => {
    host.away = true;
    const body = '{"error":"the server behind is away"}';
    expect(await ask("GET", "/resources")).toMatchObject({ status: 503, body });
    expect(await ask("POST", "/delay", '{"id":"x","delay":3}')).toMatchObject({ status: 503, body });
    host.away = false;
  });

  it("cuts off who sends headers or a body too slowly", async () => {
    const start = performance.now();
    expect(await raw("GET /queued HTTP/1.1\r\nHost: loc")).toContain("408 Request Timeout");
    expect(performance.now() - start).toBeLessThan(8_000);
  }, 10_000);
});

/** What the server answers on a bare connection until it closes it, or 500 ms after the first answer. */
function raw(request: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(served.port, "127.0.0.1", () => socket.write(request));
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
      setTimeout(() => socket.destroy(), 500);
    });
    socket.on("close", () => resolve(answer));
  });
}

describe("GET /stream", () => {
  const tick = (number: number): StreamEvent => ({ type: "tick", tick: number, at: 0, executed: [], arrived: [] });

  it("begins with hello, then sends each tick and a sign of life, and lets go of who leaves", async () => {
    const response = await fetch(`${served.url}/stream`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe(`event: hello\ndata: ${JSON.stringify(hello)}\n\n`);
    for (const listener of host.listeners) listener(tick(5));
    expect((await reader?.read())?.value).toContain(`event: tick\ndata: ${JSON.stringify(tick(5))}\n\n`);
    expect((await reader?.read())?.value).toBe(": still here\n\n");
    await reader?.cancel();
    await sleep(50);
    expect(host.listeners.size).toBe(0);
    expect(host.fences).toEqual([undefined]);
  });

  it("takes the fence of a scheduler, which is a whole number", async () => {
    const leave = new AbortController();
    const { status } = await fetch(`${served.url}/stream?fence=17`, { signal: leave.signal });
    expect([status, host.fences.at(-1)]).toEqual([200, 17]);
    leave.abort();
    for (const fence of ["", "-1", "1.5", "x", "1e3", "9".repeat(16)]) {
      const refused = await fetch(`${served.url}/stream?fence=${fence}`);
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("fence: a whole number")]);
    }
    await sleep(50);
    expect(host.listeners.size).toBe(0);
  });

  it("cuts off a reader that does not read, and keeps serving the others", async () => {
    const slow = connect(served.port, "127.0.0.1", () => slow.write("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    slow.pause();
    const closed = new Promise<void>((resolve) => slow.on("close", () => resolve()));
    const quick = await fetch(`${served.url}/stream`);
    let received = 0;
    const reading = (async () => {
      for await (const chunk of quick.body ?? []) received += chunk.length;
    })().catch(() => {});
    await sleep(50);
    expect(host.listeners.size).toBe(2);
    const big: StreamEvent = {
      type: "tick",
      tick: 1,
      at: 0,
      executed: Array(200).fill({ id: "x".repeat(100), queryId: "q", arrivedTick: 0 }),
      arrived: [],
    };
    for (let sent = 0; sent < 2_000 && host.listeners.size === 2; sent++) {
      for (const listener of host.listeners) listener(big);
      await sleep(1);
    }
    expect(host.listeners.size).toBe(1);
    expect(logged.at(-1)).toContain("too slow");
    slow.resume();
    await closed;
    expect(received).toBeGreaterThan(1_000_000);
    await quick.body?.cancel().catch(() => {});
    await served.close();
    await reading;
  }, 20_000);
});

describe("listen", () => {
  it("says in one line that a port is taken", async () => {
    const app = createPlainApi(host, { log });
    const first = await listen(app, { host: "127.0.0.1", port: 0 });
    await expect(listen(app, { host: "127.0.0.1", port: first.port })).rejects.toThrow(
      `port ${first.port} on 127.0.0.1 is taken by another process: stop it, or choose another PORT`,
    );
    await first.close();
  });
});
