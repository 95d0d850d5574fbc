/** Sizes and slowness on a bare socket: what is too large or no HTTP at all is refused, and the server goes on. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Listening, listen } from "../../platform/http.ts";
import { createLog } from "../../platform/log.ts";
import { createServerApi, HostUnavailable } from "../../platform/server-api.ts";
import { below, pick, type Random, seeded } from "../support/fuzz.ts";

const away = () => {
  throw new HostUnavailable("away");
};
const host = { queue: away, resources: away, delay: away, place: away, info: away, subscribe: away };
const logged: string[] = [];
const log = createLog("test", (line) => {
  logged.push(line);
});
let served: Listening;
beforeAll(async () => {
  served = await listen(createServerApi(host, { log, token: "the-token-of-this-test" }), {
    host: "127.0.0.1",
    port: 0,
  });
});
afterAll(() => served.close(0));

/** What comes back until the server closes the connection, has begun to answer, or has said nothing for `patienceMs`. */
function raw(bytes: Buffer | string, patienceMs = 300): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(served.port, "127.0.0.1", () => {
      socket.write(bytes);
      socket.setTimeout(patienceMs, () => socket.destroy());
    });
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (answer.includes("\r\n")) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

const answers = async () => (await fetch(`${served.url}/queued`)).status;

describe("a server of ours", () => {
  it.each([
    ["headers larger than 16 KB", `GET /queued HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, "431"],
    ["an address larger than that", `GET /${"x".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, "431"],
    ["no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n", "400"],
    ["two lengths", "POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"],
    [
      "length and chunks",
      "POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "400",
    ],
    ["a negative length", "POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "400"],
    ["a broken chunk", "POST /delay HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"],
    [
      "a body announced too large",
      "POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n{",
      "413",
    ],
    ["two hosts", "GET /queued HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "403"],
    ["no host", "GET /queued HTTP/1.1\r\n\r\n", "400"],
    [
      "a host and another in the address",
      "GET http://evil.example/queued HTTP/1.1\r\nHost: evil.example\r\n\r\n",
      "403",
    ],
    [
      "host and token beyond the hundredth header",
      `POST /place HTTP/1.1\r\n${"X: y\r\n".repeat(150)}Host: localhost\r\nAuthorization: Bearer the-token-of-this-test\r\nContent-Length: 0\r\n\r\n`,
      "431",
    ],
  ])("refuses %s", async (_, request, status) => {
    expect(await raw(request, 4_000)).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    expect(await answers()).toBe(503);
  });

  it("goes on after bytes of any kind", async () => {
    const random: Random = seeded(3);
    const start = Buffer.from(
      'POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{"id":"x","delay":1}',
    );
    const spoilt = Array.from({ length: 60 }, () => {
      const bytes = Buffer.from(start);
      for (let times = 1 + below(random, 8); times > 0; times--)
        bytes[below(random, bytes.length)] = pick(random, [0, 10, 13, 32, 58, 127, 255]);
      return bytes.subarray(0, 1 + below(random, bytes.length));
    });
    const all = await Promise.all(spoilt.map(raw));
    expect(all.filter((answer) => /^HTTP\/1.1 500/.test(answer))).toEqual([]);
    expect(await answers()).toBe(503);
    expect(logged).toEqual([]);
  }, 20_000);
});

describe("who is slow", () => {
  const slow = { headersMs: 100, requestMs: 200, idleMs: 150 };

  /** Sends `parts` 50 ms apart and then nothing; what came back until the server cut the connection. */
  const slowly = (port: number, parts: readonly string[]) =>
    new Promise<string>((resolve) => {
      let answer = "";
      const socket = connect(port, "127.0.0.1", () => {
        for (const [index, part] of parts.entries())
          setTimeout(() => socket.destroyed || socket.write(part), index * 50);
      });
      socket.on("data", (data) => {
        answer += data.toString("latin1");
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(answer));
    });

  it("with headers, with a body, or says nothing more is cut off", async () => {
    const impatient = await listen(createServerApi(host, { log }), { host: "127.0.0.1", port: 0, slow });
    const drip = Array<string>(40).fill("x");
    const answers = await Promise.all([
      slowly(impatient.port, ["GET /queued HTTP/1.1\r\nHost: localhost\r\nX: ", ...drip]),
      slowly(impatient.port, ["POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n", ...drip]),
      slowly(impatient.port, ["GET /queued HTTP/1.1\r\nHost: localhost\r\n\r\n"]),
      slowly(impatient.port, []),
    ]);
    expect(answers.map((answer) => answer.slice(9, 12))).toEqual([
      "408",
      "408",
      "503",
      expect.stringMatching(/^(408)?$/),
    ]);
    await impatient.close(0);
  }, 20_000);

  it("to read an answer is cut off, too", async () => {
    const id = "x".repeat(200);
    const many = Array.from({ length: 130_000 }, () => ({ query: { id }, execution: { id, timestamp: 1 } }));
    const full = { ...host, queue: () => many };
    const impatient = await listen(createServerApi(full, { log }), {
      host: "127.0.0.1",
      port: 0,
      slow,
    });
    const socket = connect(impatient.port, "127.0.0.1", () => {
      socket.write("GET /queued HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    socket.pause();
    await sleep(1_500);
    let received = 0;
    socket.on("data", (data) => {
      received += data.length;
    });
    await new Promise<void>((resolve) => {
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.resume();
    });
    // What lay in the buffers of the sockets, at most 38 MB where receiving ones may grow to 32 MB, and not the whole of 62 MB.
    expect(received).toBeLessThan(50_000_000);
    await impatient.close(0);
  }, 20_000);
});
