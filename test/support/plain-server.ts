/** A small database server with the three calls, which can misbehave in each way that servers are known to. */
import { createServer, type Server } from "node:http";
import type { Clock } from "../../platform/clock.ts";
import type { Answer } from "../../platform/conformance/findings.ts";
import { seeded } from "./fuzz.ts";

export interface Misbehaviour {
  readonly unknownIs: 200 | 404 | 418 | 500;
  readonly stamps: boolean;
  readonly windowJitterMs: number;
  /** What remains, in ticks, is added as if it were milliseconds. */
  readonly timestampsOff: boolean;
  readonly emptyIs: 200 | 204;
  readonly boundsDelay: boolean;
  readonly refusesNegative: boolean;
  readonly malformedIs: 200 | 400 | 500;
  /** What POST /delay does. */
  readonly delay: "adds" | "sets" | "nothing" | "twice";
  readonly refusesMethods: boolean;
  readonly refusesForeign: boolean;
  readonly metrics: "right" | "frozen" | "fractions" | "no timestamp" | "min above average";
  readonly queue: "right" | "no ids" | "twice";
  /** Ticks by which somebody else holds every third execution, in a second post. */
  readonly scheduled: number;
  readonly tickMs: number;
  readonly answerMs: number;
}

export const behaving: Misbehaviour = {
  unknownIs: 404,
  stamps: true,
  windowJitterMs: 0,
  timestampsOff: false,
  emptyIs: 204,
  boundsDelay: true,
  refusesNegative: true,
  malformedIs: 400,
  delay: "adds",
  refusesMethods: true,
  refusesForeign: true,
  metrics: "right",
  queue: "right",
  scheduled: 0,
  tickMs: 100,
  answerMs: 2,
};

interface Waiting {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  remaining: number;
}

export class PlainServer {
  readonly behaviour: Misbehaviour;
  readonly #clock: Clock;
  readonly #random = seeded(7);
  readonly #waiting: Waiting[] = [];
  readonly #startedAt: number;
  #tick = 0;
  #arrived = 0;
  #windowEndsAt: number;
  #usages: number[] = [];
  #metrics = { average: 0, min: 0, max: 0 };
  #metricsAt: number;

  constructor(clock: Clock, behaviour: Partial<Misbehaviour> = {}) {
    this.behaviour = { ...behaving, ...behaviour };
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    this.#windowEndsAt = this.#startedAt + 1_000;
    this.#metricsAt = clock.now();
  }

  answer(method: string, path: string, body: string, headers: Readonly<Record<string, string | undefined>>): Answer {
    this.#advance();
    const { refusesForeign, refusesMethods, emptyIs } = this.behaviour;
    if (refusesForeign && (headers.host?.includes("evil") || headers.origin !== undefined))
      return say(403, { error: "foreign" });
    if (path !== "/queued" && path !== "/resources" && path !== "/delay") return say(404, { error: "no such address" });
    const allowed = path === "/delay" ? "POST" : "GET";
    if (method !== allowed && (refusesMethods || path === "/delay"))
      return say(refusesMethods ? 405 : 404, { error: "method" });
    if (path === "/delay") return this.#delay(body);
    if (path === "/resources") return say(200, this.#resources());
    const queue = this.#waiting.map((execution) => this.#shown(execution));
    if (queue.length === 0) return emptyIs === 204 ? { status: 204, text: "", headers: {} } : say(200, []);
    return say(200, this.behaviour.queue === "twice" ? [...queue, queue[0]] : queue);
  }

  #advance(): void {
    const now = this.#clock.monotonic();
    const { tickMs, windowJitterMs } = this.behaviour;
    for (;;) {
      const tickAt = this.#startedAt + (this.#tick + 1) * tickMs;
      if (Math.min(tickAt, this.#windowEndsAt) > now) return;
      if (tickAt <= this.#windowEndsAt) this.#step();
      else {
        this.#closeWindow(this.#clock.now() - (now - this.#windowEndsAt));
        this.#windowEndsAt += 1_000 + (this.#random() - 0.5) * windowJitterMs;
      }
    }
  }

  #step(): void {
    this.#tick++;
    for (const execution of this.#waiting) {
      execution.remaining--;
      // As a scheduler that places: whatever else was asked for is overruled.
      const number = Number(execution.id.split("-")[1]);
      if (this.behaviour.scheduled > 0 && this.#tick === execution.arrivedTick + 1) {
        execution.remaining = number % 3 === 0 ? this.behaviour.scheduled : 1;
      }
    }
    const ran = this.#waiting.filter(({ remaining }) => remaining <= 0);
    for (const execution of ran) this.#waiting.splice(this.#waiting.indexOf(execution), 1);
    this.#usages.push(ran.length * 30);
    if (this.#random() < 0.4) {
      const id = `execution-${++this.#arrived}`;
      this.#waiting.push({ id, queryId: `query-${this.#arrived % 5}`, arrivedTick: this.#tick, remaining: 1 });
    }
  }

  #closeWindow(at: number): void {
    const usages = this.#usages.splice(0);
    if (this.behaviour.metrics === "frozen" || usages.length === 0) return;
    const mean = usages.reduce((sum, usage) => sum + usage, 0) / usages.length;
    this.#metrics = { average: Math.floor(mean), min: Math.min(...usages), max: Math.max(...usages) };
    this.#metricsAt = Math.round(at);
  }

  #resources(): object {
    const { metrics } = this.behaviour;
    const { average, min, max } = this.#metrics;
    const band = {
      average: metrics === "fractions" ? average + 0.25 : average,
      min: metrics === "min above average" ? average + 5 : min,
      max: metrics === "fractions" ? max + 1.25 : max,
    };
    return { cpu: band, io: band, memory: band, ...(metrics !== "no timestamp" && { timestamp: this.#metricsAt }) };
  }

  #shown({ id, queryId, remaining, arrivedTick }: Waiting): object {
    const { stamps, timestampsOff, tickMs, queue } = this.behaviour;
    const tick = this.#tick + remaining;
    const dueInMs = this.#startedAt + tick * tickMs - this.#clock.monotonic();
    const timestamp = this.#clock.now() + (timestampsOff ? remaining : dueInMs);
    return {
      query: { id: queryId },
      execution: { ...(queue !== "no ids" && { id }), timestamp, ...(stamps && { tick, arrivedTick }) },
    };
  }

  #delay(body: string): Answer {
    const { boundsDelay, refusesNegative, malformedIs, unknownIs, delay: effect } = this.behaviour;
    let request: unknown;
    try {
      request = JSON.parse(body);
    } catch {
      return say(malformedIs, { error: "malformed" });
    }
    if (typeof request !== "object" || request === null || !("id" in request && "delay" in request))
      return say(malformedIs, { error: "malformed" });
    const { id, delay } = request;
    if (typeof id !== "string" || typeof delay !== "number") return say(malformedIs, { error: "malformed" });
    if (refusesNegative && (delay < 0 || !Number.isInteger(delay))) return say(400, { error: "delay" });
    if (boundsDelay && delay > 36_000) return say(400, { error: "delay" });
    const execution = this.#waiting.find((waiting) => waiting.id === id);
    // A server without checks takes what is impossible for any id.
    if (!execution)
      return delay < 0 || delay % 1 !== 0 || delay > 36_000 ? say(200) : say(unknownIs, { error: "unknown" });
    if (effect === "adds") execution.remaining += delay;
    else if (effect === "twice") execution.remaining += 2 * delay;
    else if (effect === "sets") execution.remaining = delay;
    return say(200);
  }
}

function say(status: number, value?: unknown): Answer {
  const text = value === undefined ? "" : JSON.stringify(value);
  return { status, text, headers: { "content-type": "application/json" } };
}

/** Serves it on a free port of loopback. */
export async function servePlain(server: PlainServer): Promise<{ readonly url: string; readonly http: Server }> {
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      const { host, origin } = request.headers;
      const answer = server.answer(request.method ?? "", request.url ?? "", body, { host, origin });
      response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.text);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const address = http.address();
  return { url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`, http };
}
