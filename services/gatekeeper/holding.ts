import type { GateEvent } from "../../platform/gate-wire.ts";
import type { PlaceResponse } from "../../platform/wire.ts";
import { type Process, send } from "./processes.ts";
import type { Clockwork, Running } from "./running.ts";
import type { Teller } from "./teller.ts";
import { type Waiting, WaitingRoom } from "./waiting.ts";

export interface HoldingOptions {
  readonly clockwork: Clockwork;
  readonly running: Running;
  readonly teller: Teller;
}

/** A scheduler that let all that was held come due for so long is learning, or off: then one execution at a time is held for it. */
const doubtMs = 60_000;
const mostWaiting = 50_000;

/** Holds what gates ask about until its tick, and lets it go. Times in ms after the start of tick 0. */
export class Holding {
  readonly #options: HoldingOptions;
  readonly #waiting = new WaitingRoom();
  /** Streams that schedulers follow. */
  #schedulers = 0;
  /** Since when what came due was never placed; undefined while it is, or nothing came due. */
  #doubtedSince: number | undefined;

  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  get all(): Iterable<Waiting> {
    return this.#waiting.all;
  }

  find(id: string): Waiting | undefined {
    return this.#waiting.find(id);
  }

  /** One that follows places what waits, until it is seen not to. Returns what ends that. */
  schedulerCame(): () => void {
    this.#schedulers++;
    this.#doubtedSince = undefined;
    return () => {
      this.#schedulers--;
    };
  }

  placed(): void {
    this.#doubtedSince = undefined;
  }

  /** Takes it in, or lets it go at once where nothing would come of waiting. */
  queue(process: Process, event: Extract<GateEvent, { type: "queued" }>, queryId: string, now: number): void {
    const { clockwork, running, teller } = this.#options;
    const { id, shadow } = event;
    if (this.#waiting.find(id)) return;
    if (running.has(id) && !shadow) {
      send(process, { type: "release", ids: [id] });
      return;
    }
    const arrivedTick = Math.floor(now / clockwork.tickMs);
    const latestTick = Math.floor((now + event.withinMs) / clockwork.tickMs);
    const tick = Math.min(arrivedTick + clockwork.defaultDelayTicks, latestTick);
    const waiting: Waiting = {
      ...{ id, queryId, process, shadow, arrivedTick, tick, latestTick },
      arrivedAt: now - event.agoMs,
      placed: false,
    };
    if (tick > arrivedTick && this.#mayHold(now) && this.#waiting.size < mostWaiting) {
      this.#waiting.add(waiting);
      teller.arrived(waiting);
    } else if (shadow) fate(waiting, 0, "no scheduler is at work, or it may not wait for a tick");
    else this.#release(waiting, now);
  }

  /** Sets the tick as near to the wished one as its default delay, the present and its application allow. */
  place(id: string, tick: number, now: number): PlaceResponse["results"][number] {
    const { tickMs, defaultDelayTicks } = this.#options.clockwork;
    const waiting = this.#waiting.find(id);
    const earliest = Math.min((waiting?.arrivedTick ?? 0) + defaultDelayTicks, waiting?.latestTick ?? 0);
    return this.#waiting.place(id, tick, Math.max(earliest, Math.floor(now / tickMs) + 1));
  }

  releaseDue(tick: number, now: number): void {
    for (const waiting of this.#waiting.takeDue(tick)) {
      if (!waiting.placed) this.#doubtedSince ??= now;
      this.#release(waiting, now);
    }
  }

  /** Takes note that it has begun, by the application's own clock perhaps. In shadow mode it still waits for its tick. */
  began(id: string): Waiting | undefined {
    const waiting = this.#waiting.find(id);
    if (waiting && !waiting.shadow) this.#waiting.remove(waiting);
    return waiting;
  }

  /** It will never begin. */
  giveUp(id: string): void {
    const waiting = this.#waiting.find(id);
    if (!waiting) return;
    this.#waiting.remove(waiting);
    this.#options.teller.gone(waiting);
  }

  giveUpAll(process: Process): void {
    for (const waiting of [...this.#waiting.all]) if (waiting.process === process) this.giveUp(waiting.id);
  }

  /** Whether somebody is there who places what waits. */
  #mayHold(now: number): boolean {
    if (this.#schedulers === 0) return false;
    const doubted = this.#doubtedSince !== undefined && now - this.#doubtedSince >= doubtMs;
    return !doubted || this.#waiting.size === 0;
  }

  #release(waiting: Waiting, now: number): void {
    const { clockwork, running } = this.#options;
    if (!waiting.shadow) {
      running.released(waiting, now);
      send(waiting.process, { type: "release", ids: [waiting.id] });
      return;
    }
    const why = waiting.placed ? "placed there by the scheduler" : "held for the scheduler, which left it where it was";
    fate(waiting, Math.max(0, waiting.tick * clockwork.tickMs - waiting.arrivedAt), why);
    running.wouldStart(waiting);
  }
}

function fate({ id, process }: Waiting, delayMs: number, why: string): void {
  send(process, { type: "shadow", would: [{ id, delayMs: Math.round(delayMs), why }] });
}
