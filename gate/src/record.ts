import type { Statement } from "./statements.ts";

/** One piece of work. Times in monotonic ms. */
export interface Execution {
  readonly id: string;
  readonly statement: Statement;
  readonly arrivedAt: number;
  startedAt: number;
  /** Undefined while it runs, and when it found no room. */
  durationMs: number | undefined;
  /** Whether it stands among what is to be told. */
  listed: boolean;
  /** Whether the gatekeeper may know that it began: then it must learn that it ended. */
  mayBeKnown: boolean;
}

/** Executions that ended and found no room. */
export interface Lost {
  readonly id: string;
  count: number;
  from: number;
  to: number;
}

/** A batch under way or not yet on the gatekeeper's disk. */
export interface Batch {
  readonly number: number;
  /** Those told to have begun, and those told to have ended. */
  readonly begun: readonly Execution[];
  readonly ended: readonly Execution[];
  readonly lost: Lost | undefined;
}

/** A batch is about so large at most. */
const batchEvents = 1_000;
const batchCharacters = 256 * 1024;
const longestMs = 86_400_000;

/**
 * What the gatekeeper has to be told, until it says that it is on its disk; bounded, and what finds no room is counted.
 * Telling twice does no harm: ids tell what is known.
 */
export class Record {
  readonly #process: string;
  readonly #keep: number;
  /** What runs. */
  readonly #open = new Set<Execution>();
  #untold: Execution[] = [];
  #ended = 0;
  #unconfirmed: Batch[] = [];
  #lost: Lost | undefined;
  #count = 0;
  #batches = 0;

  constructor(process: string, keep: number) {
    this.#process = process;
    this.#keep = keep;
  }

  get untold(): number {
    return this.#untold.length + (this.#lost ? 1 : 0);
  }

  /** Whether all has been told and is on the gatekeeper's disk. */
  get settled(): boolean {
    return this.untold === 0 && this.#unconfirmed.length === 0;
  }

  arrive(statement: Statement): Execution {
    const now = performance.now();
    const id = `${this.#process}-${++this.#count}`;
    return { id, statement, arrivedAt: now, startedAt: now, durationMs: undefined, listed: false, mayBeKnown: false };
  }

  begin(execution: Execution): void {
    execution.startedAt = performance.now();
    this.#open.add(execution);
    this.#list(execution);
  }

  end(execution: Execution): void {
    const now = performance.now();
    this.#open.delete(execution);
    if (this.#ended >= this.#keep && !execution.mayBeKnown) {
      this.#lost ??= { id: `${execution.id}-lost`, count: 0, from: execution.startedAt, to: now };
      this.#lost.count++;
      this.#lost.from = Math.min(this.#lost.from, execution.startedAt);
      this.#lost.to = now;
      this.#sweep();
      return;
    }
    execution.durationMs = now - execution.startedAt;
    this.#ended++;
    this.#list(execution);
  }

  /** The next batch to send, and what it says. */
  take(): { batch: Batch; statements: Statement[]; events: object[] } {
    const now = performance.now();
    const ago = (at: number) => Math.min(Math.max(now - at, 0), longestMs);
    const statements: Statement[] = [];
    const numbers = new Map<Statement, number>();
    const events: object[] = [];
    const begun: Execution[] = [];
    const ended: Execution[] = [];
    let characters = 0;
    let taken = 0;
    for (const execution of this.#untold) {
      if (taken >= batchEvents || characters >= batchCharacters) break;
      taken++;
      execution.listed = false;
      const { id, statement, arrivedAt, startedAt, durationMs } = execution;
      if (this.#isDropped(execution)) continue;
      let number = numbers.get(statement);
      if (number === undefined) {
        number = statements.push(statement) - 1;
        numbers.set(statement, number);
        characters += "sql" in statement.wire ? statement.wire.sql.length : 0;
      }
      const times = { id, statement: number, arrivedAgoMs: ago(arrivedAt), agoMs: ago(startedAt) };
      if (durationMs === undefined) {
        events.push({ type: "begun", ...times });
        begun.push(execution);
        execution.mayBeKnown = true;
      } else {
        events.push({ type: "ended", ...times, durationMs: Math.min(durationMs, longestMs) });
        ended.push(execution);
      }
    }
    this.#untold = this.#untold.slice(taken);
    const lost = this.#lost;
    this.#lost = undefined;
    if (lost) {
      const { id, count, from, to } = lost;
      events.push({ type: "lost", id, count, fromAgoMs: ago(from), toAgoMs: ago(to) });
    }
    return { batch: { number: ++this.#batches, begun, ended, lost }, statements, events };
  }

  /** The gatekeeper has it. */
  received(batch: Batch): void {
    if (batch.ended.length > 0 || batch.lost) this.#unconfirmed.push(batch);
  }

  /** The gatekeeper has all up to this batch on its disk. */
  durable(number: number): void {
    while ((this.#unconfirmed[0]?.number ?? Number.POSITIVE_INFINITY) <= number) {
      this.#ended -= this.#unconfirmed.shift()?.ended.length ?? 0;
    }
  }

  /** The gatekeeper does not have it. */
  returned({ begun, ended, lost }: Batch): void {
    const again = [...begun.filter((one) => this.#open.has(one) && !one.listed), ...ended];
    for (const execution of again) execution.listed = true;
    this.#untold = [...again, ...this.#untold];
    if (!lost) return;
    if (!this.#lost) this.#lost = lost;
    else {
      this.#lost.count += lost.count;
      this.#lost.from = Math.min(this.#lost.from, lost.from);
    }
  }

  /** The gatekeeper refuses it: it will never have it. */
  refused({ ended, lost }: Batch): void {
    this.#ended -= ended.length;
    const [first] = ended;
    if (first) {
      this.#lost ??= { id: `${first.id}-refused`, count: 0, from: first.startedAt, to: performance.now() };
      this.#lost.count += ended.length;
    }
    if (lost) this.returned({ number: 0, begun: [], ended: [], lost });
  }

  /** The gatekeeper is another one than before: it is told all that runs, and all that the one before may not have had on disk. */
  begins(): void {
    for (const batch of this.#unconfirmed.splice(0).toReversed()) this.returned(batch);
    for (const execution of this.#open) this.#list(execution);
  }

  /** Whether it is counted among those that found no room. */
  #isDropped(execution: Execution): boolean {
    return execution.durationMs === undefined && !this.#open.has(execution);
  }

  /** Those that found no room were listed when they began. */
  #sweep(): void {
    if (this.#untold.length < 2 * (this.#keep + this.#open.size) + 1_000) return;
    this.#untold = this.#untold.filter((execution) => !this.#isDropped(execution));
  }

  #list(execution: Execution): void {
    if (execution.listed) return;
    execution.listed = true;
    this.#untold.push(execution);
  }
}
