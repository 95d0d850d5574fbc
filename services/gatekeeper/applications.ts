import type { Clock } from "../../platform/clock.ts";
import type { GateBatch, GateEvent, GateExecutions, GateMessage, GateReply } from "../../platform/gate-wire.ts";
import type { Log } from "../../platform/log.ts";
import { HostUnavailable } from "../../platform/server-api.ts";
import type { Holding } from "./holding.ts";
import type { Identities } from "./identity.ts";
import type { Journal } from "./journal.ts";
import { type Process, Processes, send } from "./processes.ts";
import type { Roster, RosterEntry } from "./roster.ts";
import type { Running } from "./running.ts";

export interface ApplicationsOptions {
  readonly epoch: string;
  readonly identities: Identities;
  readonly journal: Journal;
  readonly roster?: Roster;
  readonly holding: Holding;
  readonly running: Running;
  readonly clock: Clock;
  readonly log: Log;
  /** Ms after the start of tick 0. */
  readonly now: () => number;
  /** Unix ms of such a time. */
  readonly wall: (at: number) => number;
}

/** An application that lives is back within this time. */
const returnWithinMs = 10_000;

/** What the gates of applications tell and hear, and what becomes of processes that die. */
export class Applications {
  readonly #options: ApplicationsOptions;
  readonly #processes = new Processes();
  /** Processes that a gatekeeper before this one knew, and that are not back yet. */
  readonly #missing: Map<string, RosterEntry>;

  constructor(options: ApplicationsOptions) {
    this.#options = options;
    this.#missing = new Map(options.roster?.read().map((entry) => [entry.id, entry]));
  }

  /**
   * Takes what a process of an application tells. Times are before now.
   * @throws HostUnavailable when no more can be taken: the application keeps it
   */
  report(batch: GateBatch): GateReply {
    const { identities, journal, epoch } = this.#options;
    if (journal.full) throw new HostUnavailable(journal.trouble ?? "too much waits to be written");
    const process = this.#processes.heard(batch, this.#options.now());
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
    const ids = this.#options.running.releasedOf(process);
    if (ids.length > 0) send({ type: "release", ids });
    process.streams.add(send);
    return () => {
      process.streams.delete(send);
      process.streamlessSince = this.#options.now();
    };
  }

  get all(): readonly Process[] {
    return this.#processes.all;
  }

  /** Ends what processes that died had begun, with what is known of it. */
  bury(): void {
    for (const { process, untold } of this.#processes.takeDead(this.#options.now())) {
      this.#options.holding.giveUpAll(process);
      const open = this.#options.running.abandon(process, this.#options.now());
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
    if (this.#missing.size === 0 || this.#options.now() < returnWithinMs) return;
    for (const { application, since } of this.#missing.values()) {
      const now = this.#options.clock.now();
      const reason = `a process of ${application} did not come back after the gatekeeper was away: what it ran may be missing`;
      this.#gapBetween(Math.min(since, now), now, reason);
    }
    this.#missing.clear();
  }

  /** All that was told so far is on disk. */
  written(): void {
    for (const process of this.#processes.all) process.durable = process.received;
    this.#note();
  }

  /** Tells each process that the gatekeeper is there, and what is on disk. */
  alive(): void {
    for (const process of this.#processes.all) send(process, { type: "alive", durable: process.durable });
  }

  #take(process: Process, event: GateEvent, ids: readonly string[]): void {
    const now = this.#options.now();
    switch (event.type) {
      case "queued":
        this.#options.holding.queue(process, event, idOf(ids, event.statement), now);
        return;
      case "cancelled":
        this.#options.holding.giveUp(event.id);
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
    const now = this.#options.now();
    for (const [index, number] of columns.number.entries()) {
      const id = `${process.id}-${number}`;
      const waiting = this.#options.holding.began(id);
      const shadow = waiting?.shadow === true;
      const startedAt = now - (columns.agoMs[index] ?? 0);
      const arrivedAt = startedAt - (columns.heldMs[index] ?? 0);
      const execution = { id, queryId: idOf(ids, columns.statement[index] ?? 0), process, arrivedAt, startedAt };
      const durationMs = columns.durationMs[index] ?? undefined;
      if (durationMs === undefined) this.#options.running.begin(execution, now, shadow);
      else {
        this.#options.running.end(execution, now, durationMs, shadow);
        if (waiting?.shadow) waiting.durationMs = durationMs;
      }
    }
  }

  /** Only what is on disk is left out. */
  #note(): void {
    const live = this.#processes.all.filter(({ closing }) => !closing);
    const ids = [...live.map(({ id }) => id), ...this.#missing.keys()].join(" ");
    const entries = () => {
      const oldest = this.#options.running.oldest();
      const now = this.#options.now();
      return [
        ...live.map(({ id, application }) => ({ id, application, since: this.#options.wall(oldest.get(id) ?? now) })),
        ...this.#missing.values(),
      ];
    };
    this.#options.roster?.write(this.#options.now(), entries, ids);
  }

  #gap(from: number, to: number, reason: string): void {
    this.#gapBetween(this.#options.wall(from), this.#options.wall(to), reason);
  }

  /** @param from,to Unix ms */
  #gapBetween(from: number, to: number, reason: string): void {
    const { journal, epoch } = this.#options;
    journal.add({ type: "gap", epoch, from: Math.round(from), to: Math.round(to), reason: reason.slice(0, 500) });
  }
}

function idOf(ids: readonly string[], statement: number): string {
  return ids[statement] ?? "unknown";
}
