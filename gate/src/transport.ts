import http from "node:http";
import https from "node:https";

export interface Transport {
  /** POST /gate. Never keeps the process for longer than it takes. */
  post(body: string, withinMs: number): Promise<{ status: number; text: string }>;
  /** GET /gate: calls `onLine` with each line, and `onEnd` once. Does not keep the process. Returns what ends it. */
  follow(process: string, onLine: (line: string) => void, onEnd: (why: string) => void): () => void;
}

const longestAnswer = 4 * 1024 * 1024;

/** @throws TypeError when the address is none */
export function createTransport(url: string, token: string | undefined): Transport {
  const base = new URL(url);
  if (base.protocol !== "http:" && base.protocol !== "https:") throw new TypeError("an http or https URL is expected");
  const { Agent, request } = base.protocol === "https:" ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  const target = new URL("gate", base.href.endsWith("/") ? base : `${base.href}/`);
  const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};

  return {
    post: (body, withinMs) =>
      new Promise((resolve, reject) => {
        const headers = {
          ...authorization,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        };
        const sent = request(target, { method: "POST", agent, headers }, (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part: string) => {
            text += part;
            if (text.length > longestAnswer) sent.destroy(new Error("the answer is too long"));
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
          response.on("error", reject);
        });
        const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${withinMs} ms`)), withinMs);
        sent.on("error", reject);
        sent.on("close", () => {
          clearTimeout(timer);
          // After an answer that was cut off nothing else tells.
          reject(new Error("the connection was closed"));
        });
        sent.end(body);
      }),
    follow(process, onLine, onEnd) {
      let over = false;
      const end = (why: string) => {
        if (over) return;
        over = true;
        sent.destroy();
        onEnd(why);
      };
      const where = new URL(target);
      where.searchParams.set("process", process);
      const sent = request(where, { headers: authorization, agent: false }, (response) => {
        if (response.statusCode !== 200) return end(`GET /gate: ${response.statusCode}`);
        let rest = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => {
          rest += part;
          if (rest.length > longestAnswer) return end("a line is too long");
          const lines = rest.split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) if (!over) onLine(line);
        });
        response.on("error", (error) => end(error.message));
        response.on("close", () => end("the stream ended"));
      });
      sent.on("socket", (socket) => socket.unref());
      sent.on("error", (error) => end(error.message));
      sent.on("close", () => end("the stream ended"));
      sent.end();
      return () => end("closed");
    },
  };
}
