import { createServer, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type Conduct, FaultProxy } from "./proxy.ts";

describe("the faulty network", () => {
  const seen: string[] = [];
  const upstream = createServer((incoming, answer) => {
    let body = "";
    incoming.on("data", (chunk) => {
      body += chunk;
    });
    incoming.on("end", () => {
      seen.push(body);
      answer.end(`done ${body.length}`);
    });
  });
  let proxy: FaultProxy;

  beforeAll(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    const address = upstream.address();
    proxy = await FaultProxy.start(typeof address === "object" && address ? address.port : 0);
  });
  afterAll(async () => {
    await proxy.close();
    upstream.close();
  });

  /** What the client sees, and whether the request took effect. */
  async function send(conduct: Conduct, body = "x".repeat(200_000)): Promise<{ answer: string; took: boolean }> {
    seen.length = 0;
    proxy.strike(({ operation }) => (operation === "BatchWriteItem" ? conduct : { do: "pass" }));
    const answer = await new Promise<string>((resolve) => {
      const client = request(
        {
          agent: false,
          port: proxy.port,
          method: "POST",
          headers: { connection: "keep-alive", "x-amz-target": "DynamoDB_20120810.BatchWriteItem" },
          timeout: 300,
        },
        (response) => {
          let text = "";
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () => resolve(`${response.statusCode} ${text}`));
        },
      );
      client.on("error", (error) => resolve(`error: ${error.message}`));
      client.on("timeout", () => {
        resolve("no answer");
        client.destroy();
      });
      client.setHeader("content-length", Buffer.byteLength(body));
      client.end(body);
    });
    proxy.heal();
    return { answer, took: seen.includes(body) };
  }

  it("passes what no fault is meant for", async () => {
    expect(await send({ do: "pass" })).toEqual({ answer: "200 done 200000", took: true });
    expect(await send({ do: "delay", ms: 50 })).toEqual({ answer: "200 done 200000", took: true });
  });

  it("strikes before a request takes effect, or after", async () => {
    expect(await send({ do: "cut", when: "before" })).toEqual({
      answer: expect.stringContaining("error"),
      took: false,
    });
    expect(await send({ do: "cut", when: "after" })).toEqual({ answer: expect.stringContaining("error"), took: true });
    expect(await send({ do: "answer", status: 400, body: "no" })).toEqual({ answer: "400 no", took: false });
    expect(await send({ do: "swallow answer" })).toEqual({ answer: "no answer", took: true });
    expect(await send({ do: "half-close" })).toEqual({ answer: expect.stringContaining("error"), took: true });
  });

  it("corrupts so that no client takes it for an answer", async () => {
    expect(await send({ do: "corrupt" })).toEqual({ answer: expect.stringContaining("Parse Error"), took: true });
  });
});
