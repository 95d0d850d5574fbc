import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../platform/clock.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { BadAnswer, ServerRefused, StaleFence } from "../../platform/server-errors.ts";
import type { StreamEvent } from "../../platform/wire.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A client of a server that answers as told; a server that answers is given time for it, however busy the machine. */
async function clientOf(handler: Handler, requestTimeoutMs = 4_000) {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => handler(request, response, body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return createServerClient({
    url: `http://127.0.0.1:${port}/`,
    clock: systemClock,
    random: () => 0,
    requestTimeoutMs,
    idleMs: { min: 150, max: 300 },
  });
}

const answering = (status: number, body = "") => clientOf((_, response) => response.writeHead(status).end(body));

describe("the three calls", () => {
  it("takes 204 as an empty queue", async () => {
    expect(await (await answering(204)).queued()).toEqual([]);
  });

  it("reads a plain server's queue and lets unknown fields through", async () => {
    const client = await answering(
      200,
      JSON.stringify([{ query: { id: "q", text: "x" }, execution: { id: "e", timestamp: 5.5 } }]),
    );
    expect(await client.queued()).toEqual([{ query: { id: "q" }, execution: { id: "e", timestamp: 5.5 } }]);
  });

  it.each([
    [200, "delayed"],
    [404, "gone"],
    [500, "gone"],
  ] as const)("takes %i to POST /delay as %s", async (status, outcome) => {
    const bodies: string[] = [];
    const client = await clientOf((_, response, body) => {
      bodies.push(body);
      response.writeHead(status).end();
    });
    expect(await client.delay("e", 3)).toBe(outcome);
    expect(bodies).toEqual(['{"id":"e","delay":3}']);
  });

  it("tells a refusal with the server's words", async () => {
    const refusal = (await answering(400, '{"error":"delay is huge"}')).delay("e", 3);
    await expect(refusal).rejects.toThrow(ServerRefused);
    await expect(refusal).rejects.toThrow(/POST .*\/delay: 400 delay is huge$/);
  });

  it.each([
    ["not JSON", "<html>", /not JSON/],
    ["another form", '{"cpu":1}', /cpu/],
  ])("tells an answer of %s", async (_, body, message) => {
    const reading = (await answering(200, body)).resources();
    await expect(reading).rejects.toThrow(BadAnswer);
    await expect(reading).rejects.toThrow(message);
  });
});

describe("a server that does not answer", () => {
  it("gives up after the time-out, not knowing whether the request arrived", async () => {
    const client = await clientOf(() => {}, 100);
    await expect(client.delay("e", 1)).rejects.toMatchObject({ name: "ServerUnreachable", received: "unknown" });
  });

  it("knows that a refused connection carried nothing", async () => {
    const client = await answering(200);
    for (const close of cleanups.splice(0)) close();
    await expect(client.queued()).rejects.toMatchObject({ name: "ServerUnreachable", received: "no" });
  });
});

describe("place", () => {
  it("sends the fence and the placements", async () => {
    const client = await clientOf((_, response, body) => {
      const { fence, placements } = JSON.parse(body);
      expect({ fence, placements }).toEqual({ fence: 7, placements: [{ id: "e", tick: 9 }] });
      response.end(JSON.stringify({ tick: 4, results: [{ id: "e", outcome: "placed", tick: 9 }] }));
    });
    expect(await client.place(7, [{ id: "e", tick: 9 }])).toEqual({
      tick: 4,
      results: [{ id: "e", outcome: "placed", tick: 9 }],
    });
  });

  it("tells a stale fence apart from other refusals", async () => {
    await expect((await answering(409, "{}")).place(1, [])).rejects.toThrow(StaleFence);
    await expect((await answering(503, "{}")).place(1, [])).rejects.toThrow(ServerRefused);
  });
});

const hello = (epoch: string, tick = -1): StreamEvent => ({
  type: "hello",
  serverId: "s",
  epoch,
  tick,
  tickMs: 10,
  windowTicks: 10,
  defaultDelayTicks: 1,
  queue: [],
});
const tick = (number: number): StreamEvent => ({ type: "tick", tick: number, at: 1, executed: [], arrived: [] });
const sse = (...events: unknown[]) => events.map((event) => `event: x\ndata: ${JSON.stringify(event)}\n\n`).join("");

/** Follows until `until` says so; what came, in order, with troubles as text. */
async function follow(
  client: Awaited<ReturnType<typeof clientOf>>,
  until: (seen: readonly string[]) => boolean,
  again: (event: StreamEvent) => boolean = () => false,
): Promise<string[]> {
  const seen: string[] = [];
  const stop = new AbortController();
  const check = () => {
    if (until(seen)) stop.abort();
  };
  await client.follow({
    signal: stop.signal,
    onEvent(event) {
      seen.push(event.type === "hello" ? `hello ${event.epoch}` : `tick ${event.tick}`);
      check();
      return again(event) ? "again" : undefined;
    },
    onTrouble(error) {
      seen.push(`${error.name}: ${error.message.replace(/^.*\/stream: /, "")}`);
      check();
    },
  });
  return seen;
}

describe("follow", () => {
  it("gives events in order, however the bytes are cut", async () => {
    const client = await clientOf(async (_, response) => {
      const text = sse(hello("a"), tick(0), tick(1));
      for (let at = 0; at < text.length; at += 7) {
        response.write(text.slice(at, at + 7));
        if (at % 70 === 0) await systemClock.sleep(1);
      }
    });
    expect(await follow(client, (seen) => seen.length === 3)).toEqual(["hello a", "tick 0", "tick 1"]);
  });

  it("comes back when the server ends the stream", async () => {
    let connections = 0;
    const client = await clientOf((_, response) => {
      const epoch = ++connections === 1 ? "a" : "b";
      response.write(sse(hello(epoch), tick(0)));
      if (connections === 1) response.end();
    });
    expect(await follow(client, (seen) => seen.length === 5)).toEqual([
      "hello a",
      "tick 0",
      "ServerUnreachable: the server ended the stream",
      "hello b",
      "tick 0",
    ]);
  });

  it("drops a silent stream", async () => {
    const client = await clientOf((_, response) => void response.write(sse(hello("a"))));
    expect(await follow(client, (seen) => seen.length === 3)).toEqual([
      "hello a",
      "ServerUnreachable: silent for 200 ms",
      "hello a",
    ]);
  });

  it("keeps a stream that only sends heartbeats", async () => {
    const client = await clientOf(async (_, response) => {
      response.write(sse(hello("a")));
      for (let beat = 0; beat < 8; beat++) {
        await systemClock.sleep(50);
        response.write(": still here\n\n");
      }
      response.write(sse(tick(0)));
    });
    expect(await follow(client, (seen) => seen.length === 2)).toEqual(["hello a", "tick 0"]);
  });

  it("asks for a fresh hello when told to", async () => {
    const client = await clientOf((_, response) => void response.write(sse(hello("a"), tick(0), tick(7))));
    const seen = await follow(
      client,
      (events) => events.length === 5,
      (event) => event.type === "tick" && event.tick === 7,
    );
    expect(seen).toEqual(["hello a", "tick 0", "tick 7", "hello a", "tick 0"]);
  });

  it.each([
    ["an event of another form", sse(hello("a"), { type: "tick", tick: -5 }), "BadAnswer"],
    ["a first event that is not a hello", sse(tick(0)), "BadAnswer: the first event is not a hello"],
  ])("reports %s", async (_, text, trouble) => {
    const client = await clientOf((_request, response) => void response.write(text));
    const seen = await follow(client, (events) => events.some((event) => event.startsWith("BadAnswer")));
    expect(seen.at(-1)).toContain(trouble);
  });

  it("reports a refusal and goes on asking", async () => {
    const client = await answering(503, '{"error":"too many streams are open"}');
    const seen = await follow(client, (events) => events.length === 2);
    expect(seen).toEqual(Array(2).fill("ServerRefused: 503 too many streams are open"));
  });

  it("lets what the consumer throws through", async () => {
    const client = await clientOf((_, response) => void response.write(sse(hello("a"))));
    const following = client.follow({
      signal: new AbortController().signal,
      onEvent() {
        throw new RangeError("the consumer's");
      },
      onTrouble() {},
    });
    await expect(following).rejects.toThrow(RangeError);
  });
});
