/** Follows every part of the loop and holds what the page shows: an hour of it, whatever happens outside. */
import { mean } from "../../../core/workload/measures.ts";
import type { Clock } from "../../../platform/clock.ts";
import type { Log } from "../../../platform/log.ts";
import type { ServerClient } from "../../../platform/server-client.ts";
import type { HelloEvent, ServerInfo } from "../../../platform/wire.ts";
import type { AuditWord, LiveState, SchedulerState, WindowPoint } from "../contract/live.ts";
import type { SchedulerClient } from "../scheduler-client.ts";
import type { ConsoleStore, KnownCosts, QueueDepth } from "../store.ts";
import { Load } from "./load.ts";
import { Parts, poll } from "./parts.ts";
import { hourMs } from "./windows.ts";

export interface HubOptions {
  readonly client: ServerClient;
  /** Undefined: this loop has no scheduler. */
  readonly scheduler: SchedulerClient | undefined;
  readonly store: ConsoleStore;
  readonly clock: Clock;
  readonly log: Log;
  /** What becomes of the data when everything stops, for a person. */
  readonly keeps: string;
}

const secondMs = 1_000;
const depthMs = 5_000;
const costsMs = 5_000;
const auditMs = 15_000;
/** An audit reads every receipt: it may take this share of the time. */
const auditShare = 0.05;

export class Hub {
  readonly load = new Load();
  readonly #options: HubOptions;
  readonly #parts: Parts;
  #hello: HelloEvent | undefined;
  #server: ServerInfo | undefined;
  #status: SchedulerState | undefined;
  #costs: KnownCosts | undefined;
  #queue: QueueDepth | undefined;
  #audit: AuditWord | undefined;
  #following = false;
  #auditTookMs = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    const { clock, log, scheduler } = options;
    this.#parts = new Parts(clock, log, scheduler ? [] : ["scheduler"]);
  }

  get serverId(): string | undefined {
    return this.#hello?.serverId ?? this.#server?.serverId;
  }

  get tickMs(): number | undefined {
    return this.#hello?.tickMs ?? this.#server?.tickMs;
  }

  /** Executions last longer than a tick. */
  get spread(): boolean {
    return this.#hello?.spread ?? this.#server?.spread ?? false;
  }

  get defaultDelayTicks(): number {
    return this.#hello?.defaultDelayTicks ?? this.#server?.defaultDelayTicks ?? 1;
  }

  /** In force; undefined while the scheduler is away. */
  get knobs(): SchedulerState["knobs"] | undefined {
    return this.#status?.knobs;
  }

  /** Undefined before the first read. */
  get costs(): KnownCosts | undefined {
    return this.#costs;
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, scheduler, store } = this.#options;
    const failed = (name: "scheduler" | "tables" | "queue") => (error: unknown) => this.#parts.failed(name, error);
    const known = async () => {
      while (this.serverId === undefined && !signal.aborted) await clock.sleep(100, signal);
      return this.serverId;
    };
    const refilled = known().then((serverId) => (serverId === undefined ? undefined : this.#refill(serverId)));
    await Promise.all([
      client.follow({
        signal,
        onEvent: (event) => {
          this.#following = true;
          this.#parts.answered("database");
          if (event.type === "hello") {
            this.#hello = event;
            this.load.begin(event);
          } else this.load.tick(event, this.#steered());
          return undefined;
        },
        onTrouble: (error) => {
          this.#following = false;
          this.#parts.failed("database", error);
        },
      }),
      poll(
        clock,
        signal,
        secondMs,
        () => this.#askServer(),
        () => {},
      ),
      scheduler && poll(clock, signal, secondMs, () => this.#askScheduler(scheduler), failed("scheduler")),
      poll(clock, signal, depthMs, () => this.#askQueue(), failed("queue")),
      refilled.then(() => poll(clock, signal, costsMs, () => this.#askCosts(store), failed("tables"))),
      refilled.then(() =>
        poll(
          clock,
          signal,
          () => this.#auditPause(),
          () => this.#askAudit(),
          failed("tables"),
        ),
      ),
    ]);
  }

  windowsSince(ms: number): WindowPoint[] {
    return this.load.windowsSince(ms);
  }

  state(): LiveState {
    const at = this.#options.clock.now();
    const server = this.#server;
    return {
      at,
      serverId: this.serverId ?? null,
      tickMs: this.tickMs ?? null,
      spread: this.spread,
      parts: this.#parts.list(),
      ...this.load.figures(at, this.tickMs ?? 100),
      waiting: this.#following ? this.load.executions.waiting : null,
      scheduler: this.#status ?? null,
      capture: server
        ? {
            executed: server.counted.executions,
            lastSequence: server.outbox.lastSequence,
            recordedThrough: server.outbox.recordedThrough,
            waitingRows: server.outbox.waiting,
            outboxBytes: server.outbox.bytes,
            lastSentAt: server.outbox.lastSentAt,
            trouble: server.outbox.trouble,
            warning: server.outbox.warning ?? null,
          }
        : null,
      audit: this.#audit ?? null,
      queue: this.#queue ?? null,
      costs: this.#costs
        ? {
            version: this.#costs.version,
            estimatedAt: this.#costs.estimatedAt || null,
            queries: this.#costs.costs.size,
          }
        : null,
      keeps: this.#options.keeps,
    };
  }

  /** Null while the scheduler is away: the server runs what was placed, for a while. */
  #steered(): boolean | null {
    if (!this.#options.scheduler) return false;
    if (!this.#status) return null;
    return this.#status.mode === "steering";
  }

  async #askServer(): Promise<void> {
    this.#server = await this.#options.client.server();
  }

  async #askScheduler(scheduler: SchedulerClient): Promise<void> {
    try {
      this.#status = await scheduler.status();
    } catch (error) {
      this.#status = undefined;
      throw error;
    }
    this.load.bandWidth = this.#status.knobs.bandWidth;
    this.#parts.answered("scheduler");
  }

  async #askQueue(): Promise<void> {
    try {
      this.#queue = await this.#options.store.queueDepth();
    } catch (error) {
      this.#queue = undefined;
      throw error;
    }
    this.#parts.answered("queue");
  }

  async #askCosts(store: ConsoleStore): Promise<void> {
    if (this.serverId === undefined) return;
    this.#costs = await store.costs(this.serverId, this.#costs);
    this.#parts.answered("tables");
  }

  async #askAudit(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    const startedAt = this.#options.clock.monotonic();
    try {
      this.#audit = await this.#options.store.audit(server, this.#options.clock.now());
    } finally {
      this.#auditTookMs = this.#options.clock.monotonic() - startedAt;
    }
  }

  #auditPause(): number {
    return this.#audit ? Math.max(auditMs, this.#auditTookMs / auditShare) : secondMs;
  }

  /** The last hour as the table has it: a console that restarts shows what it showed. */
  async #refill(serverId: string): Promise<void> {
    const { clock, log, store } = this.#options;
    try {
      const windows = await store.windows(serverId, clock.now() - hourMs, clock.now());
      this.load.prepend(
        windows.map(({ endedAt, metrics, ticks, usage }) => ({
          at: endedAt,
          metrics,
          ran: ticks.reduce((sum, { length }) => sum + length, 0),
          waited: false,
          waiting: null,
          steered: null,
          ...(usage && { cpu: mean(usage.cpu) }),
        })),
      );
    } catch (error) {
      log.warn("the last hour could not be read", { error });
      this.#parts.failed("tables", error);
    }
  }
}
