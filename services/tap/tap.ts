import { type DelayOutcome, HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import type { ServerClient } from "../../platform/server-client.ts";
import { ServerError, ServerRefused, ServerUnreachable } from "../../platform/server-errors.ts";
import type { PlaceResponse, ServerInfo, StreamEvent } from "../../platform/wire.ts";
import { Teller, type TellerOptions } from "./teller.ts";

export interface TapOptions extends TellerOptions {
  readonly client: Pick<ServerClient, "queued" | "resources" | "delay">;
  readonly outboxInfo: () => ServerInfo["outbox"];
  /** Unix ms at which a tap before this one last saw the server; undefined when there was none. */
  readonly lastSeenAt: number | undefined;
  /** Uniform in [0, 1): spreads polls, so that they do not keep step with the ticks. */
  readonly random: () => number;
}

type Placements = Parameters<ServerHost["place"]>[1];

const pollMs = { min: 18, max: 28 };
const longestBackoffMs = 1_000;
/** How long one `place` may take: its caller waits no longer than a second. */
const placeBudgetMs = 600;
const diskRetryMs = 500;

/** Makes a server that has only the three calls look like ours. It alone polls it, one request at a time. */
export class Tap implements ServerHost {
  readonly #options: TapOptions;
  readonly #teller: Teller;
  #lane: Promise<unknown> = Promise.resolve();
  #resources: ReturnType<ServerHost["resources"]> | undefined;
  #seen = false;
  #serverTrouble: string | null = "the server has not answered yet";
  #fence = 0;

  constructor(options: TapOptions) {
    this.#options = options;
    this.#teller = new Teller(options);
  }

  /** Polls until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    let backoffMs = pollMs.max;
    while (!signal.aborted) {
      if (!this.#teller.write()) {
        await clock.sleep(diskRetryMs, signal);
        continue;
      }
      const startedAt = clock.monotonic();
      let pauseMs = pollMs.min + random() * (pollMs.max - pollMs.min);
      try {
        await this.#poll();
        if (this.#serverTrouble && this.#seen) log.info("the server answers", { after: this.#serverTrouble });
        this.#serverTrouble = null;
        backoffMs = pollMs.max;
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        if (this.#serverTrouble === null || !this.#seen)
          log.warn("the server does not answer", { error: error.message });
        this.#serverTrouble = error.message;
        pauseMs = backoffMs * (0.5 + random() / 2);
        backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
      }
      await clock.sleep(startedAt + pauseMs - clock.monotonic(), signal);
    }
  }

  queue(): ReturnType<ServerHost["queue"]> {
    this.#assertReady();
    const { inference } = this.#options;
    return inference.waiting().map(({ id, queryId, arrivedTick, tick }) => ({
      query: { id: queryId },
      execution: { id, timestamp: this.#teller.wall(inference.instantOf(tick)), tick, arrivedTick },
    }));
  }

  resources(): ReturnType<ServerHost["resources"]> {
    if (!this.#resources) throw new HostUnavailable("the server's metrics have not been read yet");
    return this.#resources;
  }

  async delay(id: string, ticks: number): Promise<DelayOutcome> {
    try {
      return { outcome: (await this.#postpone(id, ticks)) === "gone" ? "unknown" : "delayed" };
    } catch (error) {
      if (error instanceof ServerRefused && error.status === 400) return { outcome: "refused", reason: error.message };
      if (error instanceof ServerError) throw new HostUnavailable(error.message, { cause: error });
      throw error;
    }
  }

  /** Can only postpone: an execution that shall run earlier than it will stays where it is, and the result says where. */
  async place(fence: number, placements: Placements): Promise<PlaceResponse | undefined> {
    if (fence < this.#fence) return undefined;
    this.#fence = fence;
    this.#assertReady();
    const { inference, clock } = this.#options;
    const startedAt = clock.monotonic();
    const due = (id: string) => inference.find(id)?.tick ?? 0;
    const results: PlaceResponse["results"] = [];
    // What runs soonest first: it is the most urgent to postpone.
    for (const { id, tick } of placements.toSorted((a, b) => due(a.id) - due(b.id))) {
      const now = inference.find(id);
      const inTime = clock.monotonic() - startedAt < placeBudgetMs && fence === this.#fence;
      let gone = now === undefined;
      if (now?.sure && tick > now.tick && inTime) {
        try {
          gone = (await this.#postpone(id, tick - now.tick)) === "gone";
        } catch (error) {
          if (!(error instanceof ServerError)) throw error;
          this.#options.log.warn("a delay failed", { id, error: error.message });
        }
      }
      const after = gone ? undefined : inference.find(id);
      results.push(after ? { id, outcome: "placed", tick: after.tick } : { id, outcome: "gone" });
    }
    return { tick: Math.max(0, inference.tick), results };
  }

  info(): ServerInfo {
    const { serverId, epoch, clockwork, inference, outboxInfo } = this.#options;
    const outbox = outboxInfo();
    return {
      serverId,
      kind: "tap",
      epoch,
      tick: Math.max(0, inference.tick),
      ...clockwork,
      outbox: { ...outbox, trouble: this.#teller.trouble ?? this.#serverTrouble ?? outbox.trouble },
      counted: this.#teller.counted,
    };
  }

  subscribe(listener: (event: StreamEvent) => void): () => void {
    this.#assertReady();
    return this.#teller.subscribe(listener);
  }

  /** One request to the server at a time, whoever asks. */
  #alone<Result>(request: () => Promise<Result>): Promise<Result> {
    const result = this.#lane.then(request);
    this.#lane = result.catch(() => {});
    return result;
  }

  async #poll(): Promise<void> {
    const { inference, client, clock, lastSeenAt } = this.#options;
    await this.#alone(async () => {
      const sentAt = clock.monotonic();
      const answer = await client.queued();
      const entries = answer.map(({ query, execution }) => ({ id: execution.id, queryId: query.id }));
      const reading = { sentAt, receivedAt: clock.monotonic(), entries };
      const inferred = inference.queued(reading);
      const gaps = [...inferred.gaps];
      if (!this.#seen && lastSeenAt !== undefined) {
        const from = sentAt - Math.max(0, this.#teller.wall(sentAt) - lastSeenAt);
        gaps.push({ from, to: reading.receivedAt, reason: "the tap was not running" });
      }
      this.#seen = true;
      this.#teller.tell({ ...inferred, gaps });
    });
    const due = inference.refreshDueAt;
    // The span between the last old answer and the first new one tells when the metrics were refreshed.
    if (due !== undefined && clock.monotonic() < due - 0.6 * inference.tickMs) return;
    await this.#alone(async () => {
      const sentAt = clock.monotonic();
      const answer = await client.resources();
      const { timestamp, ...metrics } = answer;
      this.#teller.tell(inference.resources({ sentAt, receivedAt: clock.monotonic(), timestamp, metrics }));
      this.#resources = answer;
    });
  }

  async #postpone(id: string, ticks: number): Promise<"delayed" | "gone"> {
    const { client, inference } = this.#options;
    return this.#alone(async () => {
      try {
        const outcome = await client.delay(id, ticks);
        if (outcome === "delayed") inference.delayed(id, ticks, "yes");
        return outcome;
      } catch (error) {
        // Whether the delay counted shows when its tick has passed: until then this execution is left alone.
        if (error instanceof ServerUnreachable && error.received === "unknown") inference.delayed(id, ticks, "unknown");
        throw error;
      }
    });
  }

  #assertReady(): void {
    const trouble = this.#teller.trouble ?? this.#serverTrouble;
    if (trouble) throw new HostUnavailable(trouble);
  }
}
