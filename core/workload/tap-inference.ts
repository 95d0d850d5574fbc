import { TickClock } from "./tick-clock.ts";
import { type Band, type Resource, resources, type Waiting } from "./types.ts";

type Metrics = Readonly<Record<Resource, Band>>;

/** All times in milliseconds of one monotonic clock, that of the process which polls. */
interface Reading {
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** An answer of GET /queued. */
export interface QueueReading extends Reading {
  readonly entries: readonly { readonly id: string; readonly queryId: string }[];
}

/** An answer of GET /resources; `timestamp` is the server's own, in whatever time the server has. */
export interface ResourcesReading extends Reading {
  readonly timestamp: number;
  readonly metrics: Metrics;
}

export interface Executed {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
}

export interface InferredTick {
  readonly tick: number;
  readonly at: number;
  readonly executed: readonly Executed[];
  readonly arrived: readonly Waiting[];
}

export interface InferredWindow {
  readonly firstTick: number;
  readonly endedAt: number;
  /** Query ids by tick, from `firstTick` on. */
  readonly ticks: readonly (readonly string[])[];
  readonly metrics: Metrics;
}

/** Executions may have come and gone unseen between `from` and `to`. */
export interface InferredGap {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** What a reading has made certain, in order. */
export interface Inferred {
  readonly ticks: readonly InferredTick[];
  readonly windows: readonly InferredWindow[];
  readonly gaps: readonly InferredGap[];
  /** Executions that vanished without having run. */
  readonly forgotten: number;
}

interface Entry {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  /** The tick in which it is believed to run. */
  due: number;
  /** A delay of so many ticks was asked for, and it is not known whether it counted. */
  pending: number;
  /** Whether `due` may be built upon: not so when the execution was there before the tap. */
  sure: boolean;
}

export interface TapInferenceOptions {
  readonly tickMs: number;
  readonly windowTicks: number;
  readonly defaultDelayTicks: number;
}

/**
 * Infers from polls of a server without stamps what ran in which tick. Each two successive snapshots of the queue that
 * differ enclose a tick: what vanished ran in it, what is new arrived in it. Ticks are numbered from the first
 * snapshot on. A tick is certain once it was seen, or once a snapshot asked for well after it showed no change.
 *
 * A metrics window ends when the answer of /resources changes; its ticks are those whose instants lie between two such
 * changes, give or take a quarter of a tick: where both come from one timer, the refresh follows the tick at once.
 */
export class TapInference {
  readonly #options: TapInferenceOptions;
  readonly #clock: TickClock;
  readonly #entries = new Map<string, Entry>();
  #last: Reading | undefined;
  /** The last certain tick; -1 before the first. */
  #tick = -1;
  /** Certain ticks that belong to a window which is still open. */
  #open: { tick: number; queryIds: string[] }[] = [];
  #resources: (ResourcesReading & { readonly offset: number }) | undefined;
  #windowEnd: number | undefined;
  /** Windows whose last ticks are not certain yet. */
  #ended: { start: number | undefined; end: number; metrics: Metrics }[] = [];
  /** Windows that began before this were not seen whole. */
  #lossSince = Number.POSITIVE_INFINITY;

  constructor(options: TapInferenceOptions) {
    this.#options = options;
    this.#clock = new TickClock(options.tickMs);
  }

  get tick(): number {
    return this.#tick;
  }

  /** The tick's length as observed, in ms. */
  get tickMs(): number {
    return this.#clock.length;
  }

  /** When a tick happened or will happen. */
  instantOf(tick: number): number {
    return this.#clock.instantOf(tick);
  }

  /** When the metrics are expected to be refreshed next; undefined before the first refresh was seen. */
  get refreshDueAt(): number | undefined {
    return this.#windowEnd === undefined ? undefined : this.#windowEnd + this.#options.windowTicks * this.#clock.length;
  }

  waiting(): Waiting[] {
    return Array.from(this.#entries.values(), (entry) => this.#view(entry));
  }

  /** Where an execution is believed to run; `sure` false: it must not be delayed on that belief. */
  find(id: string): { readonly tick: number; readonly sure: boolean } | undefined {
    const entry = this.#entries.get(id);
    return entry && { tick: Math.max(entry.due, this.#tick + 1), sure: entry.sure && entry.pending === 0 };
  }

  /** The server took a delay of `ticks` for this execution ("yes"), or it is not known whether it did ("unknown"). */
  delayed(id: string, ticks: number, counted: "yes" | "unknown"): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (counted === "yes") entry.due = Math.max(entry.due, this.#tick + 1) + ticks;
    else entry.pending = ticks;
  }

  queued(reading: QueueReading): Inferred {
    const { sentAt, receivedAt } = reading;
    const last = this.#last;
    this.#last = { sentAt, receivedAt };
    const present = new Set(reading.entries.map(({ id }) => id));
    const vanished = Array.from(this.#entries.values()).filter(({ id }) => !present.has(id));
    const appeared = reading.entries.filter(({ id }) => !this.#entries.has(id));
    if (!last) {
      for (const { id, queryId } of appeared) {
        this.#entries.set(id, { id, queryId, arrivedTick: 0, due: 1, pending: 0, sure: false });
      }
      return { ticks: [], windows: [], gaps: [], forgotten: 0 };
    }
    const long = receivedAt - last.sentAt > this.#clock.length;
    const ticks: InferredTick[] = [];
    const lost: Entry[] = [];
    if (vanished.length + appeared.length > 0) {
      const end = this.#lastTickOf(last, reading);
      const latest = Math.max(end, this.#clock.lastBefore(receivedAt));
      const ran = new Map<number, Entry[]>();
      for (const entry of vanished) {
        // After a long silence, what was not due yet has not run: the server has lost it, most likely by a restart.
        if (long && entry.sure && entry.pending === 0 && entry.due > latest + 1) lost.push(entry);
        else {
          const tick = long ? Math.min(Math.max(entry.due, this.#tick + 1), end) : end;
          ran.set(tick, [...(ran.get(tick) ?? []), entry]);
        }
        this.#entries.delete(entry.id);
      }
      const arrived = appeared.map(({ id, queryId }) => {
        const due = end + Math.max(1, this.#options.defaultDelayTicks);
        const entry: Entry = { id, queryId, arrivedTick: end, due, pending: 0, sure: true };
        this.#entries.set(id, entry);
        return entry;
      });
      while (this.#tick < end)
        ticks.push(this.#advance(ran.get(this.#tick + 1) ?? [], this.#tick + 1 === end ? arrived : []));
    }
    // A quarter of a tick for what is not known of the instant.
    const certain = this.#clock.started ? this.#clock.lastBefore(sentAt - this.#clock.length / 4) : -1;
    while (this.#tick < certain) ticks.push(this.#advance([], []));
    this.#correct();
    const gaps = long ? [gapOf(last, receivedAt, lost.length)] : [];
    const margin = this.#clock.length / 10;
    const possible = this.#clock.lastBefore(receivedAt + margin) - this.#clock.lastBefore(last.sentAt - margin);
    // With one tick in the span, nothing can have come and gone, and what ran in which tick is certain.
    if (long && possible > 1) this.#lossSince = receivedAt;
    return { ticks, windows: this.#closeWindows(), gaps, forgotten: lost.length };
  }

  resources(reading: ResourcesReading): Inferred {
    const last = this.#resources;
    const nominal = this.#options.windowTicks * this.#clock.length;
    const since = reading.receivedAt - (this.#windowEnd ?? Number.NEGATIVE_INFINITY);
    const sameMetrics = last !== undefined && equalMetrics(last.metrics, reading.metrics);
    // Some servers stamp the answer, not the refresh: then only the numbers tell.
    const refreshed = last && last.timestamp !== reading.timestamp && (!sameMetrics || since > 0.75 * nominal);
    // The server's clock is behind or ahead by what keeps each refresh within the span in which it was seen.
    let offset = last?.offset ?? reading.receivedAt - reading.timestamp;
    if (refreshed) {
      offset += Math.max(0, last.sentAt - (reading.timestamp + offset));
      offset -= Math.max(0, reading.timestamp + offset - reading.receivedAt);
      const end = reading.timestamp + offset;
      const missedOne = end - (this.#windowEnd ?? 0) > 1.5 * nominal;
      this.#ended.push({ start: missedOne ? undefined : this.#windowEnd, end, metrics: reading.metrics });
      this.#windowEnd = end;
    }
    this.#resources = { ...reading, offset };
    return { ticks: [], windows: this.#closeWindows(), gaps: [], forgotten: 0 };
  }

  /** The tick that the change between two snapshots belongs to: the last one, when there was time for several. */
  #lastTickOf(last: Reading, { sentAt, receivedAt }: Reading): number {
    const earliest = this.#tick + 1;
    if (!this.#clock.settled) this.#lossSince = receivedAt;
    // A long span says little of the instant, and may hold several ticks; those before the request are in the answer.
    const short = receivedAt - last.sentAt < 0.9 * this.#clock.length;
    if (short || !this.#clock.started) return this.#clock.observe(last.sentAt, receivedAt, earliest);
    const first = Math.max(earliest, this.#clock.lastBefore(last.sentAt) + 1);
    return Math.max(first, this.#clock.lastBefore(sentAt));
  }

  #advance(ran: readonly Entry[], arrived: readonly Entry[]): InferredTick {
    const tick = ++this.#tick;
    this.#open.push({ tick, queryIds: ran.map(({ queryId }) => queryId) });
    // The metrics are not refreshed any more: the windows' beginnings are unknown until they are again.
    if (this.#open.length > 10 * this.#options.windowTicks) this.#open.shift();
    return {
      tick,
      at: this.#clock.instantOf(tick),
      executed: ran.map(({ id, queryId, arrivedTick }) => ({ id, queryId, arrivedTick })),
      arrived: arrived.map((entry) => this.#view(entry)),
    };
  }

  /** What is still there though its tick is certain runs later than believed. */
  #correct(): void {
    for (const entry of this.#entries.values()) {
      if (entry.due > this.#tick) continue;
      entry.due = Math.max(entry.due + entry.pending, this.#tick + 1);
      entry.pending = 0;
    }
  }

  #closeWindows(): InferredWindow[] {
    const windows: InferredWindow[] = [];
    for (let first = this.#ended[0]; first; first = this.#ended[0]) {
      const { start, end, metrics } = first;
      const lastTick = this.#clock.lastBefore(end + this.#clock.length / 4);
      if (lastTick > this.#tick) break;
      this.#ended.shift();
      const split = this.#open.findIndex(({ tick }) => tick > lastTick);
      const ticks = this.#open.splice(0, split === -1 ? this.#open.length : split);
      const firstTick = ticks[0]?.tick;
      // Only a window that was seen whole says anything.
      if (start === undefined || firstTick === undefined || this.#lossSince > start) continue;
      windows.push({ firstTick, endedAt: end, ticks: ticks.map(({ queryIds }) => queryIds), metrics });
    }
    return windows;
  }

  #view({ id, queryId, arrivedTick, due }: Entry): Waiting {
    return { id, queryId, arrivedTick, tick: Math.max(due, this.#tick + 1) };
  }
}

function gapOf(last: Reading, receivedAt: number, lost: number): InferredGap {
  const ms = Math.round(receivedAt - last.sentAt);
  const vanished = lost > 0 ? `; ${lost} executions vanished before they were due, as in a restart` : "";
  return { from: last.sentAt, to: receivedAt, reason: `the server was not seen for ${ms} ms${vanished}` };
}

function equalMetrics(a: Metrics, b: Metrics): boolean {
  return resources.every(
    (resource) =>
      a[resource].average === b[resource].average &&
      a[resource].min === b[resource].min &&
      a[resource].max === b[resource].max,
  );
}
