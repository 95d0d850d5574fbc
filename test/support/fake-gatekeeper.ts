/** A gatekeeper as a gate's transport, in the test's own time: it fails as it is told, and knows what it was told. */
import type { Transport } from "../../gate/src/transport.ts";
import { gateBatch } from "../../platform/gate-wire.ts";

/** How a request goes: "lost" is taken, and its answer never comes; "slow" answers after `slowMs`. */
export type Fate = "good" | "refused" | "unreachable" | "lost" | "hangs" | "garbage" | "slow" | "busy";

export class FakeGatekeeper {
  fate: Fate = "good";
  slowMs = 400;
  /** Whether streams can be opened. */
  streaming = true;
  /** What a restart keeps: ids of executions that ended, and how many were counted as lost, by id. */
  readonly disk = new Set<string>();
  readonly lost = new Map<string, number>();
  /** Those asked about and not let go. */
  readonly waiting = new Map<string, { withinMs: number; shadow: boolean }>();
  readonly cancelled = new Set<string>();
  /** Told to run: begun and not ended. */
  readonly running = new Set<string>();
  batches = 0;
  #epoch = 1;
  #number = 0;
  #written = 0;
  #memory: { ended: string[]; lost: [string, number][] } = { ended: [], lost: [] };
  readonly #streams = new Map<(line: string) => void, (why: string) => void>();

  readonly transport: Transport = {
    post: async (body, withinMs) => {
      const { fate } = this;
      if (fate === "unreachable") throw new Error("connect ECONNREFUSED");
      if (fate === "hangs") return after(withinMs, () => Promise.reject(new Error(`no answer within ${withinMs} ms`)));
      if (fate === "garbage") return { status: 200, text: "<html>" };
      if (fate === "refused") return { status: 401, text: '{"error":"a token is needed"}' };
      if (fate === "busy") return { status: 503, text: '{"error":"full"}' };
      const reply = this.#take(body);
      if (fate === "lost") throw new Error("socket hang up");
      if (fate === "slow") return after(this.slowMs, async () => reply);
      return reply;
    },
    follow: (_process, onLine, onEnd) => {
      if (!this.streaming) {
        queueMicrotask(() => onEnd("connect ECONNREFUSED"));
        return () => {};
      }
      const end = (why: string) => {
        if (this.#streams.delete(onLine)) onEnd(why);
      };
      this.#streams.set(onLine, end);
      queueMicrotask(() => {
        if (this.#streams.has(onLine)) onLine(JSON.stringify({ type: "hello", epoch: `e${this.#epoch}` }));
      });
      return () => end("closed");
    },
  };

  get streams(): number {
    return this.#streams.size;
  }

  say(message: object | string): void {
    const line = typeof message === "string" ? message : JSON.stringify(message);
    for (const onLine of [...this.#streams.keys()]) onLine(line);
  }

  release(...ids: string[]): void {
    for (const id of ids) this.waiting.delete(id);
    this.say({ type: "release", ids });
  }

  /** Brings to disk what it was told, and says that it lives. */
  write(): void {
    for (const id of this.#memory.ended) this.disk.add(id);
    for (const [id, count] of this.#memory.lost) this.lost.set(id, count);
    this.#memory = { ended: [], lost: [] };
    this.#written = this.#number;
    this.say({ type: "alive", durable: this.#written });
  }

  cut(): void {
    for (const end of [...this.#streams.values()]) end("the stream ended");
  }

  /** As after kill -9: what is not on disk is gone. */
  restart(): void {
    this.cut();
    this.#epoch++;
    this.#memory = { ended: [], lost: [] };
    this.#number = 0;
    this.#written = 0;
    this.waiting.clear();
    this.running.clear();
  }

  #take(body: string): { status: number; text: string } {
    const { process, number, statements, events, executions } = gateBatch.parse(JSON.parse(body));
    this.batches++;
    this.#number = Math.max(this.#number, number);
    for (const event of events) {
      switch (event.type) {
        case "queued":
          this.waiting.set(event.id, event);
          break;
        case "cancelled":
          this.waiting.delete(event.id);
          this.cancelled.add(event.id);
          break;
        case "lost":
          this.#memory.lost.push([event.id, event.count]);
          break;
      }
    }
    for (const [index, one] of executions.number.entries()) {
      const id = `${process}-${one}`;
      this.waiting.delete(id);
      if (executions.durationMs[index] === null) this.running.add(id);
      else {
        this.running.delete(id);
        this.#memory.ended.push(id);
      }
    }
    const ids = statements.map((one) => ("id" in one ? one.id : "d:r:f"));
    return { status: 200, text: JSON.stringify({ epoch: `e${this.#epoch}`, durable: this.#written, ids, told: [] }) };
  }
}

function after<Value>(ms: number, then: () => Promise<Value>): Promise<Value> {
  return new Promise((resolve) => setTimeout(resolve, ms)).then(then);
}
