/** The simulated database served over real HTTP from the test's own process, so that the test can see what it did. */
import { join } from "node:path";
import { systemClock } from "../../platform/clock.ts";
import { type Listening, listen } from "../../platform/http.ts";
import { silentLog } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { createPlainApi, createServerApi } from "../../platform/server-api.ts";
import { createServerClient, type ServerClient } from "../../platform/server-client.ts";
import { Engine } from "../../sim-server/database/engine.ts";
import { Ledger } from "../../sim-server/database/ledger.ts";
import { type Parameters, parseParameters } from "../../sim-server/database/parameters.ts";
import { DatabaseServer } from "../../sim-server/database/server.ts";

export interface SimDatabaseOptions {
  readonly serverId: string;
  readonly directory: string;
  readonly parameters?: Parameters | Record<string, unknown>;
  readonly runSeed?: number;
  readonly port?: number;
}

/** What happened to an execution; ticks of its epoch. */
export interface Fate {
  readonly queryId: string;
  readonly arrivedTick: number;
  ranInTick: number | undefined;
}

let epochs = 0;

export class SimDatabase {
  readonly epoch = `epoch-${++epochs}`;
  readonly engine: Engine;
  readonly server: DatabaseServer;
  /** Every execution of this epoch. */
  readonly fates = new Map<string, Fate>();
  /** Executions that ran, by tick. */
  readonly ranPerTick: number[] = [];
  /** When each tick was told, Unix ms: on a busy machine ticks come late. */
  readonly tickedAt: number[] = [];
  /** Fences of the placements that it accepted, in order, and how many it refused as stale. */
  readonly fences: number[] = [];
  refused = 0;
  placements = 0;
  /** Ticks asked for through POST /delay, by execution. */
  readonly delays = new Map<string, number[]>();
  /** Makes every place wait so long first. */
  placeTakesMs = 0;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #listening: Listening | undefined;
  readonly #close: () => void;

  constructor({ serverId, directory, parameters = {}, runSeed = 1 }: SimDatabaseOptions) {
    const parsed = parseParameters(parameters, "the test");
    this.engine = new Engine(parsed, { runSeed });
    const clock = systemClock;
    const file = join(directory, `${this.epoch}.sqlite`);
    const outbox = parsed.stamped
      ? openOutbox({ file, serverId, diskBoundBytes: 1e9, clock, log: silentLog })
      : undefined;
    const ledger = new Ledger(join(directory, `${this.epoch}.ledger`), this.epoch, serverId);
    this.server = new DatabaseServer({
      serverId,
      epoch: this.epoch,
      engine: this.engine,
      clock,
      log: silentLog,
      ledger,
      outbox,
      outboxInfo: outbox && (() => ({ ...outbox.state(), lastSentAt: null, trouble: null })),
    });
    this.server.subscribe((event) => {
      if (event.type !== "tick") return;
      this.ranPerTick[event.tick] = event.executed.length;
      this.tickedAt[event.tick] = Date.now();
      for (const { id, queryId, arrivedTick } of event.arrived) {
        this.fates.set(id, { queryId, arrivedTick, ranInTick: undefined });
      }
      for (const { id } of event.executed) {
        const fate = this.fates.get(id);
        if (!fate || fate.ranInTick !== undefined) throw new Error(`${id} ran twice or never arrived`);
        fate.ranInTick = event.tick;
      }
    });
    this.#close = () => {
      ledger.close();
      outbox?.close();
    };
  }

  static async start(options: SimDatabaseOptions): Promise<SimDatabase> {
    const database = new SimDatabase(options);
    const access = { log: silentLog, token: process.env.EVENKEEL_TOKEN };
    const app = database.engine.parameters.stamped
      ? createServerApi(database.#host(), access)
      : createPlainApi(database.#host(), access);
    database.#listening = await listen(app, { host: "127.0.0.1", port: options.port ?? 0 });
    database.#running = database.server.run(database.#stop.signal);
    return database;
  }

  get url(): string {
    return this.#listening?.url ?? "";
  }

  /** A client that has the server's token. */
  client(): ServerClient {
    return createServerClient({
      url: this.url,
      token: process.env.EVENKEEL_TOKEN,
      clock: systemClock,
      random: Math.random,
    });
  }

  get port(): number {
    return this.#listening?.port ?? 0;
  }

  /**
   * The largest usage that what waits now makes in one tick if nobody moves it any more, in mean ticks, of the worst
   * resource. The next tick is left out: it holds what was chosen for it, whether the scheduler lives or dies.
   */
  worstTickToCome(): number {
    const truth = this.engine.truth();
    const worst = ([0, 1, 2] as const).map((r) => {
      const costOf = (queryId: string) => truth.get(queryId)?.[r] ?? 0;
      const ran = Array.from(this.fates.values()).filter(({ ranInTick }) => ranInTick !== undefined);
      const mean = ran.reduce((sum, { queryId }) => sum + costOf(queryId), 0) / (this.engine.tick + 1);
      const sums = new Map<number, number>();
      for (const { queryId, tick } of this.engine.queued()) sums.set(tick, (sums.get(tick) ?? 0) + costOf(queryId));
      sums.delete(this.engine.tick + 1);
      return Math.max(0, ...sums.values()) / mean;
    });
    return Math.max(...worst);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#listening?.close(0);
    this.#close();
  }

  #host(): DatabaseServer {
    const { server } = this;
    const place = server.place.bind(server);
    server.place = async (fence, placements) => {
      if (this.placeTakesMs > 0) await systemClock.sleep(this.placeTakesMs);
      const answer = await place(fence, placements);
      if (!answer) this.refused++;
      else {
        this.fences.push(fence);
        this.placements += placements.length;
      }
      return answer;
    };
    const delay = server.delay.bind(server);
    server.delay = async (id, ticks) => {
      const answer = await delay(id, ticks);
      if (answer.outcome === "delayed") this.delays.set(id, [...(this.delays.get(id) ?? []), ticks]);
      return answer;
    };
    return server;
  }
}
