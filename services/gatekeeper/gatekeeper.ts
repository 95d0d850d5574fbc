import type { Clock } from "../../platform/clock.ts";
import type {
  GateBatch,
  GateEvent,
  GateExecutions,
  GateMessage,
  GateReply,
  UsageSample,
} from "../../platform/gate-wire.ts";
import type { Log } from "../../platform/log.ts";
import { type DelayOutcome, HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import type { Metrics, PlaceResponse, ServerInfo, StreamEvent } from "../../platform/wire.ts";
import { Holding } from "./holding.ts";
import type { Identities } from "./identity.ts";
import type { Journal } from "./journal.ts";
import { type Process, Processes, send } from "./processes.ts";
import type { Roster, RosterEntry } from "./roster.ts";
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

/** A tick is told so long after its end: applications tell what they begin within less. */
const settleMs = 40;
/** A tick waits so many ticks for its usage. */
const usagePatienceTicks = 2;
/** Without samples for so long there is no sampler, and nothing waits for one. */
const samplerSilenceMs = 1_000;

/** An application that lives is back within this time. */
const returnWithinMs = 10_000;

/**
 * Stands for the database in the loop: what its applications' gates tell is what has run and what waits. Time is real:
 * tick k begins `k * tickMs` after the start, what is placed in it is released then.
 */
export class Gatekeeper implements ServerHost {
  readonly #options: GatekeeperOptions;
  readonly #holding: Holding;
  readonly #processes = new Processes();
  readonly #running: Running;
  readonly #usage: UsageTicks;
  readonly #teller: Teller;
  readonly #startedAt: number;
  /** Processes that a gatekeeper before this one knew, and that are not back yet. */
  readonly #missing: Map<string, RosterEntry>;
  #lastTick = -1;
  #fence = 0;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #resources: (Metrics & { timestamp: number }) | undefined;

  constructor(options: GatekeeperOptions) {
    this.#options = options;
    const { clockwork, serverId, epoch, clock, journal } = options;
    this.#startedAt = clock.monotonic();
    this.#missing = new Map(options.roster?.read().map((entry) => [entry.id, entry]));
    this.#usage = new UsageTicks(clockwork.tickMs);
    this.#teller = new Teller(() => ({ serverId, epoch, ...clockwork, spread: true }));
    this.#running = new Running({
      ...{ epoch, clockwork, journal, teller: this.#teller },
      wall: (at) => this.#wall(at),
    });
    this.#holding = new Holding({ clockwork, running: this.#running, teller: this.#teller });
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
    this.#bury();
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
    const { identities, journal, epoch } = this.#options;
    if (journal.full) throw new HostUnavailable(journal.trouble ?? "too much waits to be written");
    const process = this.#processes.heard(batch, this.#now());
    if (!process) throw new HostUnavailable("too many processes of applications");
    this.#missing.delete(process.id);
    const identified = batch.statements.map((one) => identities.identify(batch.database, batch.role, one));
    const ids = identified.map(({ queryId }) => queryId);
    for (const event of batch.events) this.#take(process, event, ids);
    this.#takeExecutions(process, batch.executions, ids);
    const told = identified.flatMap(({ trouble }, statement) => (trouble ? [{ statement, trouble }] : []));
    return { epoch, durable: process.durable, ids, told };
  }

  /** Sends a process what concerns it; undefined when the process is not known. Returns what ends that. */
  follow(processId: string, send: (message: GateMessage) => void): (() => void) | undefined {
    const process = this.#processes.find(processId);
    if (!process) return undefined;
    send({ type: "hello", epoch: this.#options.epoch });
    const ids = this.#running.releasedOf(process);
    if (ids.length > 0) send({ type: "release", ids });
    process.streams.add(send);
    return () => {
      process.streams.delete(send);
      process.streamlessSince = this.#now();
    };
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
    return this.#processes.all;
  }

  #take(process: Process, event: GateEvent, ids: readonly string[]): void {
    const now = this.#now();
    switch (event.type) {
      case "queued":
        this.#holding.queue(process, event, idOf(ids, event.statement), now);
        return;
      case "cancelled":
        this.#holding.giveUp(event.id);
        return;
      case "lost":
        this.#gap(
          now - Math.max(event.fromAgoMs, event.toAgoMs),
          now - Math.min(event.fromAgoMs, event.toAgoMs),
          `${event.count} executions of ${process.application} found no room while the gatekeeper was away`,
        );
        return;
    }
  }

  #takeExecutions(process: Process, columns: GateExecutions, ids: readonly string[]): void {
    const now = this.#now();
    for (const [index, number] of columns.number.entries()) {
      const id = `${process.id}-${number}`;
      const waiting = this.#holding.began(id);
      const shadow = waiting?.shadow === true;
      const startedAt = now - (columns.agoMs[index] ?? 0);
      const arrivedAt = startedAt - (columns.heldMs[index] ?? 0);
      const execution = { id, queryId: idOf(ids, columns.statement[index] ?? 0), process, arrivedAt, startedAt };
      const durationMs = columns.durationMs[index] ?? undefined;
      if (durationMs === undefined) this.#running.begin(execution, now, shadow);
      else {
        this.#running.end(execution, now, durationMs, shadow);
        if (waiting?.shadow) waiting.durationMs = durationMs;
      }
    }
  }

  /** Ends what processes that died had begun, with what is known of it. */
  #bury(): void {
    for (const { process, untold } of this.#processes.takeDead(this.#now())) {
      this.#holding.giveUpAll(process);
      const open = this.#running.abandon(process, this.#now());
      if (process.closing) continue;
      const { application, id, lastBatchAt, streamlessSince } = process;
      this.#options.log.warn("a process of an application is gone without a goodbye", {
        application,
        process: id,
        open,
      });
      if (untold) {
        const reason = `a process of ${application} died: what it began in its last moments may be missing`;
        this.#gap(lastBatchAt, streamlessSince, reason);
      }
    }
    if (this.#missing.size === 0 || this.#now() < returnWithinMs) return;
    for (const { application, since } of this.#missing.values()) {
      const now = this.#options.clock.now();
      const reason = `a process of ${application} did not come back after the gatekeeper was away: what it ran may be missing`;
      this.#gapBetween(Math.min(since, now), now, reason);
    }
    this.#missing.clear();
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
    const written = journal.write();
    for (const process of this.#processes.all) {
      if (written) process.durable = process.received;
      if (process.toldAt !== this.#lastTick) send(process, { type: "alive", durable: process.durable });
      process.toldAt = this.#lastTick;
    }
    if (written) this.#noteProcesses();
  }

  /** Only what is on disk is left out. */
  #noteProcesses(): void {
    const live = this.#processes.all.filter(({ closing }) => !closing);
    const ids = [...live.map(({ id }) => id), ...this.#missing.keys()].join(" ");
    const entries = () => {
      const oldest = this.#running.oldest();
      const now = this.#now();
      return [
        ...live.map(({ id, application }) => ({ id, application, since: this.#wall(oldest.get(id) ?? now) })),
        ...this.#missing.values(),
      ];
    };
    this.#options.roster?.write(this.#now(), entries, ids);
  }

  #gap(from: number, to: number, reason: string): void {
    this.#gapBetween(this.#wall(from), this.#wall(to), reason);
  }

  /** @param from,to Unix ms */
  #gapBetween(from: number, to: number, reason: string): void {
    const { journal, epoch } = this.#options;
    journal.add({ type: "gap", epoch, from: Math.round(from), to: Math.round(to), reason: reason.slice(0, 500) });
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

function idOf(ids: readonly string[], statement: number): string {
  return ids[statement] ?? "unknown";
}
