import type { Statement } from "./statements.ts";

/** One piece of work. Times in monotonic ms. */
export interface Execution {
  /** Counts those of this process. */
  readonly number: number;
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
  /** Of one of them. */
  readonly number: number;
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

/** Those of a batch as they are told, a list a property: `GateExecutions` of the gatekeeper. */
export interface Columns {
  readonly number: number[];
  readonly statement: number[];
  readonly heldMs: number[];
  readonly agoMs: number[];
  readonly durationMs: (number | null)[];
}

/** A batch is about so large at most. */
const batchExecutions = 1_000;
const batchCharacters = 256 * 1024;
const longestMs = 86_400_000;

/**
 * What the gatekeeper has to be told, until it says that it is on its disk; bounded, and what finds no room is counted.
 * Telling twice does no harm: ids tell what is known.
 */
export class Record {
  readonly #keep: number;
  /** What runs. */
  readonly #open = new Set<Execution>();
  #untold: Execution[] = [];
  #ended = 0;
  #unconfirmed: Batch[] = [];
  #lost: Lost | undefined;
  #count = 0;
  #batches = 0;

  constructor(keep: number) {
    this.#keep = keep;
  }

  get untold(): number {
    return this.#untold.length + (this.#lost ? 1 : 0);
  }

  /** Whether what is to be told fills a batch. */
  get full(): boolean {
    return this.#untold.length >= batchExecutions;
  }

  /** Whether all has been told and is on the gatekeeper's disk. */
  get settled(): boolean {
    return this.untold === 0 && this.#unconfirmed.length === 0;
  }

  arrive(statement: Statement): Execution {
    const now = performance.now();
    const number = ++this.#count;
    return {
      number,
      statement,
      arrivedAt: now,
      startedAt: now,
      durationMs: undefined,
      listed: false,
      mayBeKnown: false,
    };
  }

  /** @param held whether it begins later than it arrived */
  begin(execution: Execution, held: boolean): void {
    if (held) execution.startedAt = performance.now();
    this.#open.add(execution);
    this.#list(execution);
  }

  end(execution: Execution): void {
    const now = performance.now();
    this.#open.delete(execution);
    if (this.#ended >= this.#keep && !execution.mayBeKnown) {
      this.#lost ??= { number: execution.number, count: 0, from: execution.startedAt, to: now };
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
  take(): { batch: Batch; statements: Statement[]; executions: Columns; lost: object | undefined } {
    const now = performance.now();
    const statements: Statement[] = [];
    const numbers = new Map<Statement, number>();
    const executions: Columns = { number: [], statement: [], heldMs: [], agoMs: [], durationMs: [] };
    const begun: Execution[] = [];
    const ended: Execution[] = [];
    let characters = 0;
    let taken = 0;
    for (const execution of this.#untold) {
      if (taken >= batchExecutions || characters >= batchCharacters) break;
      taken++;
      execution.listed = false;
      const { number, statement, arrivedAt, startedAt, durationMs } = execution;
      if (this.#isDropped(execution)) continue;
      let index = numbers.get(statement);
      if (index === undefined) {
        index = statements.push(statement) - 1;
        numbers.set(statement, index);
        characters += "sql" in statement.wire ? statement.wire.sql.length : 0;
      }
      executions.number.push(number);
      executions.statement.push(index);
      executions.heldMs.push(wireMs(startedAt - arrivedAt));
      executions.agoMs.push(wireMs(now - startedAt));
      executions.durationMs.push(durationMs === undefined ? null : wireMs(durationMs));
      if (durationMs !== undefined) ended.push(execution);
      else {
        begun.push(execution);
        execution.mayBeKnown = true;
      }
    }
    this.#untold = this.#untold.slice(taken);
    const lost = this.#lost;
    this.#lost = undefined;
    const told = lost && {
      count: lost.count,
      fromAgoMs: wireMs(now - lost.from),
      toAgoMs: wireMs(now - lost.to),
    };
    return { batch: { number: ++this.#batches, begun, ended, lost }, statements, executions, lost: told };
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
      this.#lost ??= { number: first.number, count: 0, from: first.startedAt, to: performance.now() };
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

/** Hundredths are enough, and short. */
function wireMs(ms: number): number {
  return Math.round(Math.min(Math.max(ms, 0), longestMs) * 100) / 100;
}
