import type { Clock } from "../../platform/clock.ts";
import type { GateBatch, GateMessage, GateReply, UsageSample } from "../../platform/gate-wire.ts";
import type { Log } from "../../platform/log.ts";
import { type DelayOutcome, HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import type { Metrics, PlaceResponse, ServerInfo, StreamEvent } from "../../platform/wire.ts";
import { Applications } from "./applications.ts";
import { Holding } from "./holding.ts";
import type { Identities } from "./identity.ts";
import type { Journal } from "./journal.ts";
import type { Process } from "./processes.ts";
import type { Roster } from "./roster.ts";
import { type Clockwork, Running } from "./running.ts";
import { Teller } from "./teller.ts";
import { UsageTicks } from "./usage.ts";

export interface GatekeeperOptions {
  readonly serverId: string;
  readonly epoch: string;
  readonly clockwork: Clockwork;
  readonly identities: Identities;
  readonly journal: Journal;
  /** Without one nobody notices the applications that died while no gatekeeper was there. */
  readonly roster?: Roster;
  readonly outboxInfo: () => ServerInfo["outbox"];
  readonly clock: Clock;
  readonly log: Log;
}

type Placements = Parameters<ServerHost["place"]>[1];

/** A tick is told so long after its end, when applications have told nearly all that they began in it; the rest counts for the next. */
const settleMs = 40;
/** A tick waits so many ticks for its usage. */
const usagePatienceTicks = 2;
/** Processes of applications hear every so many ticks that the gatekeeper is there; silent for a second it is away. */
const aliveTicks = 3;
/** Without samples for so long there is no sampler, and nothing waits for one. */
const samplerSilenceMs = 1_000;

/**
 * Stands for the database in the loop: what its applications' gates tell is what has run and what waits. Time is real:
 * tick k begins `k * tickMs` after the start, what is placed in it is released then.
 */
export class Gatekeeper implements ServerHost {
  readonly #options: GatekeeperOptions;
  readonly #holding: Holding;
  readonly #applications: Applications;
  readonly #running: Running;
  readonly #usage: UsageTicks;
  readonly #teller: Teller;
  readonly #startedAt: number;
  #lastTick = -1;
  #recordedTick = -1;
  #aliveTick = Number.NEGATIVE_INFINITY;
  #fence = 0;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #resources: (Metrics & { timestamp: number }) | undefined;

  constructor(options: GatekeeperOptions) {
    this.#options = options;
    const { clockwork, serverId, epoch, clock, journal } = options;
    this.#startedAt = clock.monotonic();
    this.#usage = new UsageTicks(clockwork.tickMs);
    this.#teller = new Teller(() => ({ serverId, epoch, ...clockwork, spread: true }));
    this.#running = new Running({
      ...{ epoch, clockwork, journal, teller: this.#teller },
      wall: (at) => this.#wall(at),
    });
    this.#holding = new Holding({ clockwork, running: this.#running, teller: this.#teller });
    this.#applications = new Applications({
      ...{ ...options, holding: this.#holding, running: this.#running },
      now: () => this.#now(),
      wall: (at) => this.#wall(at),
    });
  }

  /** Releases and tells until `signal` aborts, then puts on disk what is known. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, clockwork } = this.#options;
    while (!signal.aborted) {
      this.advance();
      const now = this.#now();
      const next = (Math.floor(now / clockwork.tickMs) + 1) * clockwork.tickMs;
      const told = (this.#teller.tick + 2) * clockwork.tickMs + settleMs;
      await clock.sleep((told > now ? Math.min(next, told) : next) - now, signal);
    }
    this.#options.journal.write();
  }

  /** Does all that is due by now: releases, tells, records. */
  advance(): void {
    const tick = this.#tickNow();
    if (tick > this.#lastTick) {
      this.#lastTick = tick;
      this.#holding.releaseDue(tick, this.#now());
    }
    this.#applications.bury();
    this.#tell();
    this.#record();
  }

  queue(): ReturnType<ServerHost["queue"]> {
    return Array.from(this.#holding.all, ({ id, queryId, arrivedTick, tick }) => ({
      query: { id: queryId },
      execution: { id, timestamp: this.#wall(tick * this.#options.clockwork.tickMs), tick, arrivedTick },
    }));
  }

  resources(): ReturnType<ServerHost["resources"]> {
    if (!this.#resources) throw new HostUnavailable("no sampler has told what the database uses yet");
    return this.#resources;
  }

  async delay(id: string, ticks: number): Promise<DelayOutcome> {
    const waiting = this.#holding.find(id);
    if (!waiting) return { outcome: "unknown" };
    this.#holding.place(id, waiting.tick + ticks, this.#now());
    return { outcome: "delayed" };
  }

  async place(fence: number, placements: Placements): Promise<PlaceResponse | undefined> {
    if (fence < this.#fence) return undefined;
    this.#fence = fence;
    const now = this.#now();
    this.#holding.placed();
    return { tick: this.#tickNow(), results: placements.map(({ id, tick }) => this.#holding.place(id, tick, now)) };
  }

  info(): ServerInfo {
    const { serverId, epoch, clockwork, outboxInfo, journal } = this.#options;
    const outbox = outboxInfo();
    return {
      ...{ serverId, kind: "native", epoch, tick: Math.max(0, this.#teller.tick) },
      ...clockwork,
      spread: true,
      outbox: { ...outbox, trouble: journal.trouble ?? outbox.trouble },
      counted: { ...journal.counted },
    };
  }

  subscribe(listener: (event: StreamEvent) => void, fence?: number): () => void {
    const unsubscribe = this.#teller.subscribe(listener);
    // One whose lease is older than another's that placed steers no more.
    const leave = fence === undefined || fence < this.#fence ? undefined : this.#holding.schedulerCame();
    return () => {
      unsubscribe();
      leave?.();
    };
  }

  /**
   * Takes what a process of an application tells. Times are before now.
   * @throws HostUnavailable when no more can be taken: the application keeps it
   */
  report(batch: GateBatch): GateReply {
    return this.#applications.report(batch);
  }

  /** Sends a process what concerns it; undefined when the process is not known. Returns what ends that. */
  follow(processId: string, send: (message: GateMessage) => void): (() => void) | undefined {
    return this.#applications.follow(processId, send);
  }

  /** Takes what a sampler measured. Returns why not, in one line; undefined when it was taken. */
  sampled(samples: readonly UsageSample[]): string | undefined {
    const ahead = Math.max(...samples.map(({ to }) => to)) - this.#options.clock.now();
    if (ahead > 1_000) return `a sample ends ${Math.round(ahead)} ms in the future: whose clock is right?`;
    const offset = this.#options.clock.now() - this.#now();
    for (const sample of samples) this.#usage.add({ ...sample, from: sample.from - offset, to: sample.to - offset });
    this.#sampledAt = this.#now();
    this.#tell();
    return undefined;
  }

  /** Processes of applications that are connected or may come back. */
  processes(): readonly Pick<Process, "id" | "application" | "mode">[] {
    return this.#applications.all;
  }

  #tell(): void {
    const { tickMs } = this.#options.clockwork;
    const now = this.#now();
    for (;;) {
      const tick = this.#teller.tick + 1;
      const end = (tick + 1) * tickMs;
      if (now < end + settleMs) return;
      const sampling = now - this.#sampledAt < samplerSilenceMs;
      if (sampling && !this.#usage.covers(tick) && now < end + usagePatienceTicks * tickMs) return;
      const usage = this.#usage.of(tick);
      const window = this.#running.closeTick(tick, usage);
      if (window?.metrics) this.#resources = { ...window.metrics, timestamp: this.#wall(end) };
      this.#teller.tell({
        at: this.#wall(tick * tickMs),
        ...(usage && { usage: { ...usage } }),
        ...(window?.metrics && {
          window: { firstTick: window.firstTick, bounds: "exact", metrics: window.metrics },
        }),
      });
    }
  }

  #record(): void {
    const { journal } = this.#options;
    this.#running.recordWindows(this.#now());
    // One transaction a tick: each waits for the disk, whatever it writes.
    if (this.#recordedTick === this.#lastTick) return;
    this.#recordedTick = this.#lastTick;
    if (journal.write()) this.#applications.written();
    if (this.#lastTick < this.#aliveTick + aliveTicks) return;
    this.#aliveTick = this.#lastTick;
    this.#applications.alive();
  }

  /** Ms after the start of tick 0. */
  #now(): number {
    return this.#options.clock.monotonic() - this.#startedAt;
  }

  #tickNow(): number {
    return Math.floor(this.#now() / this.#options.clockwork.tickMs);
  }

  /** Unix ms of such a time, by what the wall clock says now. */
  #wall(at: number): number {
    return Math.max(0, Math.round(this.#options.clock.now() - this.#now() + at));
  }
}
