/**
 * A TCP proxy between a client of AWS and the cloud that does to each request what a fault asks for. It frames HTTP/1.1
 * requests (so that a fault can pick one, and strike before or after it took effect); answers pass as bytes.
 *
 * Bytes are corrupted so that they are not HTTP any more: TLS, which stands between in AWS, turns every flipped bit into
 * a broken connection, while the embedded cloud speaks plain HTTP and checks no signature.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface Request {
  /** `SendMessageBatch`, `BatchWriteItem`, ...; or the method and path of what has no target. */
  readonly operation: string;
  readonly service: "sqs" | "dynamodb" | "other";
  readonly body: string;
}

/** What becomes of a request. */
export type Conduct =
  | { readonly do: "pass" }
  /** Before: the cloud never sees it. After: the cloud has done it, the client does not learn so. */
  | { readonly do: "cut"; readonly when: "before" | "after" }
  | { readonly do: "delay"; readonly ms: number }
  /** The peer says that it has finished, and no answer comes. */
  | { readonly do: "half-close" }
  | { readonly do: "corrupt" }
  /** The cloud has done it, the answer never comes, and the connection stays open. */
  | { readonly do: "swallow answer" }
  /** The cloud never sees it. */
  | { readonly do: "answer"; readonly status: number; readonly body: string };

type Decide = (request: Request) => Conduct | Promise<Conduct>;

export class FaultProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: { readonly host: string; readonly port: number };
  /** The newest decides first. */
  #deciders: readonly Decide[] = [];
  /** Told of every request that passes through unharmed. */
  observe: (request: Request) => void = () => {};
  port = 0;

  private constructor(targetPort: number) {
    this.#target = { host: "127.0.0.1", port: targetPort };
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    const address = proxy.#server.address();
    proxy.port = typeof address === "object" && address ? address.port : 0;
    return proxy;
  }

  get url(): string {
    return `http://localhost:${this.port}`;
  }

  /**
   * From now on, until what is returned is called, or `heal`. Several may be at work: what one lets pass the one before it
   * decides on. The end cuts all connections: what hangs must not outlive its fault.
   */
  strike(decide: Decide): () => void {
    this.#deciders = [decide, ...this.#deciders];
    return () => {
      this.#deciders = this.#deciders.filter((other) => other !== decide);
      this.cutAll();
    };
  }

  /** Ends every fault. */
  heal(): void {
    this.#deciders = [];
    this.cutAll();
  }

  async #decide(request: Request): Promise<Conduct> {
    for (const decide of this.#deciders) {
      const conduct = await decide(request);
      if (conduct.do !== "pass") return conduct;
    }
    return { do: "pass" };
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cutAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(client: Socket): void {
    const upstream = connect(this.#target);
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let onAnswer: (bytes: Buffer) => void = (bytes) => client.write(bytes);
    upstream.on("data", (bytes) => onAnswer(bytes));
    let waiting = Buffer.alloc(0);
    let busy = Promise.resolve();
    client.on("data", (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      for (
        let length = requestLength(waiting);
        length > 0 && length <= waiting.length;
        length = requestLength(waiting)
      ) {
        const raw = waiting.subarray(0, length);
        waiting = waiting.subarray(length);
        busy = busy.then(async () => {
          const request = parse(raw);
          const conduct = await this.#decide(request);
          if (client.destroyed) return;
          onAnswer = await this.#carryOut(conduct, { client, upstream, raw });
          if (conduct.do === "pass") this.observe(request);
        });
      }
    });
  }

  /** Returns what to do with the bytes of the answer. */
  async #carryOut(
    conduct: Conduct,
    { client, upstream, raw }: { client: Socket; upstream: Socket; raw: Buffer },
  ): Promise<(bytes: Buffer) => void> {
    const forward = (bytes: Buffer) => {
      client.write(bytes);
    };
    switch (conduct.do) {
      case "cut":
        if (conduct.when === "before") client.destroy();
        else upstream.write(raw);
        return () => client.destroy();
      case "delay":
        await new Promise((resolve) => setTimeout(resolve, conduct.ms));
        upstream.write(raw);
        return forward;
      case "half-close":
        upstream.write(raw);
        // Not before the cloud has it: a client that sees the end hangs up, and that ends both sides.
        setTimeout(() => client.end(), 50);
        return () => {};
      case "corrupt":
        upstream.write(raw);
        return (bytes) => client.write(Buffer.from(bytes).fill("\u0007", 0, Math.min(64, bytes.length)));
      case "swallow answer":
        upstream.write(raw);
        return () => {};
      case "answer": {
        const head = `HTTP/1.1 ${conduct.status} Fault\r\ncontent-type: application/x-amz-json-1.0\r\n`;
        client.write(`${head}content-length: ${Buffer.byteLength(conduct.body)}\r\n\r\n${conduct.body}`);
        return forward;
      }
      case "pass":
        upstream.write(raw);
        return forward;
    }
  }
}

const headEnd = Buffer.from("\r\n\r\n");

/** Bytes of the first request, head and body; 0 while its head is not whole. */
function requestLength(bytes: Buffer): number {
  const end = bytes.indexOf(headEnd);
  if (end < 0) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString("latin1", 0, end))?.[1];
  return end + headEnd.length + Number(length ?? 0);
}

function parse(raw: Buffer): Request {
  const end = raw.indexOf(headEnd);
  const head = raw.toString("latin1", 0, end);
  const [, service = "", operation] = /\r\nx-amz-target: *([A-Za-z]+)(?:_\d+)?\.(\w+)/i.exec(head) ?? [];
  const body = raw.toString("utf8", end + headEnd.length);
  if (operation === undefined) return { operation: head.split(" HTTP/")[0] ?? "", service: "other", body };
  return { operation, service: service === "AmazonSQS" ? "sqs" : "dynamodb", body };
}
