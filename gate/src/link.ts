import { Holds } from "./holds.ts";
import type { GateOptions, GateWarning, ShadowFate } from "./options.ts";
import { type Batch, type Execution, Record } from "./record.ts";
import type { Statement } from "./statements.ts";
import type { Transport } from "./transport.ts";

export interface LinkOptions extends Pick<GateOptions, "database" | "role" | "onShadow"> {
  readonly application: string;
  readonly mode: "observe" | "shadow" | "enforce";
  readonly answerWithinMs: number;
  readonly keepExecutions: number;
  readonly process: string;
  readonly transport: Transport;
  readonly warn: (warning: GateWarning) => void;
}

/**
 * Batches are so far apart at the least; the first after a pause goes at once. Each costs as much as some hundred calls. Where
 * work is held its scheduler should hear soon what runs; else it is enough to be told well before the gatekeeper takes a
 * process for one that had told everything (`quietMs` there).
 */
const pausesMs = { enforce: 40, shadow: 40, observe: 200 };
/** The gatekeeper says something every few ticks: silent for so long it is away. */
const silenceMs = 1_000;
const postWithinMs = 1_000;
const retryMs = { first: 100, longest: 2_000 };

/** The connection to the gatekeeper. While it does not answer, nothing is held, and what ran is told later. */
export class Link {
  readonly record: Record;
  readonly #options: LinkOptions;
  readonly #holds = new Holds();
  #firsts: { event: { type: string; id: string }; statement?: Statement }[] = [];
  /** "new": nothing is known yet; "up": it answers, and its stream is open. */
  #state: "new" | "up" | "down" = "new";
  #posting = false;
  /** The next batch. "later" makes way for a question. */
  #planned: "soon" | "later" | undefined;
  #timer: NodeJS.Timeout | undefined;
  #postedAt = Number.NEGATIVE_INFINITY;
  #heardAt = 0;
  #epoch: string | undefined;
  #retryMs = retryMs.first;
  #unfollow: (() => void) | undefined;
  #closing = false;
  readonly #watch: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.record = new Record(options.keepExecutions);
    // After a stall of this process what came meanwhile is read first.
    this.#watch = setInterval(() => setImmediate(() => this.#listen()).unref(), silenceMs / 4);
    this.#watch.unref();
    this.#plan(0);
  }

  /** Whether the gatekeeper answers; undefined before that is known. */
  get up(): boolean | undefined {
    return this.#state === "new" ? undefined : this.#state === "up";
  }

  get held(): number {
    return this.#holds.size;
  }

  get #pauseMs(): number {
    return pausesMs[this.#options.mode];
  }

  /** Something is to be told. */
  told(): void {
    if (this.#posting || this.#closing || this.#state === "down") return;
    if (!this.#planned) this.#plan(this.#postedAt + this.#pauseMs - performance.now());
    else if (this.#planned === "later" && this.record.full) this.#plan(0);
  }

  /** Asks the gatekeeper and returns when it lets go, when `ms` have passed, or when it is away: whatever comes first. */
  hold(execution: Execution, ms: number, onRelease: () => void): () => void {
    if (this.#state === "down" || this.#closing || ms < 1) {
      onRelease();
      return () => {};
    }
    const id = this.#idOf(execution);
    const giveUp = this.#holds.add(id, execution, ms, this.#options.answerWithinMs, onRelease);
    this.#ask(execution, ms, false);
    return () => {
      if (!giveUp()) return;
      this.#firsts.push({ event: { type: "cancelled", id } });
      this.told();
    };
  }

  /** What would have become of it is told some time. */
  shadow(execution: Execution, ms: number): void {
    if (this.#state !== "down") this.#ask(execution, ms, true);
  }

  /** Tells what is left, waits for at most a second and a half for it to be on disk, and says goodbye. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#holds.releaseAll();
    const until = performance.now() + 1_500;
    while (performance.now() < until) {
      const sent = await this.#post();
      if (!sent || this.record.settled) break;
      await new Promise((resolve) => setTimeout(resolve, pausesMs.enforce));
    }
    clearInterval(this.#watch);
    this.#unfollow?.();
  }

  #ask(execution: Execution, ms: number, shadow: boolean): void {
    const event = { type: "queued", id: this.#idOf(execution), agoMs: 0, withinMs: ms, shadow };
    this.#firsts.push({ event, statement: execution.statement });
    if (!this.#posting && this.#planned !== "soon") this.#plan(0);
  }

  #idOf({ number }: Pick<Execution, "number">): string {
    return `${this.#options.process}-${number}`;
  }

  /** Never within the caller's own turn: composing and sending is nothing that a call should wait for. */
  #plan(ms: number): void {
    clearTimeout(this.#timer);
    this.#planned = ms <= 0 ? "soon" : "later";
    const send = () => {
      this.#planned = undefined;
      void this.#post();
    };
    if (ms <= 0) setImmediate(send).unref();
    else this.#timer = setTimeout(send, ms).unref();
  }

  /** Sends a batch, and plans the next one. False when the gatekeeper does not have it. */
  async #post(): Promise<boolean> {
    if (this.#posting) return true;
    this.#posting = true;
    this.#postedAt = performance.now();
    const { transport } = this.#options;
    const firsts = this.#firsts.splice(0, 1_000);
    const { batch, statements, body } = this.#compose(firsts);
    let wrong: string | undefined;
    try {
      const { status, text } = await transport.post(body, postWithinMs);
      if (status === 200) this.#answered(JSON.parse(text), batch, statements);
      else {
        wrong = `${status} ${text.slice(0, 300)}`;
        // It would be refused again; what ran is counted as a gap.
        if (status === 400 || status === 413) this.record.refused(batch);
        else this.record.returned(batch);
      }
    } catch (error) {
      wrong = error instanceof Error ? error.message : String(error);
      this.record.returned(batch);
    }
    this.#posting = false;
    if (wrong === undefined) {
      for (const { event } of firsts) this.#holds.answered(event.id);
      if (this.#unfollow === undefined && !this.#closing) this.#follow();
      if (this.#firsts.length > 0 || this.record.full) this.#plan(0);
      else if (this.record.untold > 0) this.#plan(this.#pauseMs);
      return true;
    }
    this.#lose(`the gatekeeper does not answer as it should: ${wrong}`);
    return false;
  }

  #compose(firsts: readonly { event: object; statement?: Statement }[]) {
    const { process, application, database, role, mode } = this.#options;
    const events: object[] = [];
    const { batch, statements, executions, lost } = this.record.take();
    for (const { event, statement } of firsts) {
      if (!statement) events.push(event);
      else {
        const known = statements.indexOf(statement);
        events.push({ ...event, statement: known >= 0 ? known : statements.push(statement) - 1 });
      }
    }
    if (lost && batch.lost) events.push({ type: "lost", id: `${this.#idOf(batch.lost)}-lost`, ...lost });
    const body = JSON.stringify({
      ...{ process, application, database, role, mode, number: batch.number },
      ...(this.#closing && { closing: true }),
      statements: statements.map(({ wire }) => wire),
      ...{ events, executions },
    });
    return { batch, statements, body };
  }

  #answered(reply: unknown, batch: Batch, statements: readonly Statement[]): void {
    const { epoch, durable, ids, told } = Object(reply);
    if (typeof epoch !== "string" || !Array.isArray(ids)) throw new Error("the answer is not a gatekeeper's");
    this.#meet(epoch);
    this.record.received(batch);
    if (typeof durable === "number") this.record.durable(durable);
    for (const [index, statement] of statements.entries()) {
      const id: unknown = ids[index];
      if (typeof id === "string" && "sql" in statement.wire && statement.wire.length === statement.wire.sql.length)
        statement.wire = { id };
    }
    if (Array.isArray(told)) {
      for (const one of told) this.#options.warn({ code: "statement", message: String(Object(one).trouble) });
    }
  }

  /** Takes note of which gatekeeper it is. */
  #meet(epoch: string): void {
    if (epoch === this.#epoch) return;
    const again = this.#epoch !== undefined;
    this.#epoch = epoch;
    if (!again) return;
    this.record.begins();
    const now = performance.now();
    for (const { execution, until } of this.#holds.all) this.#ask(execution, Math.max(0, until - now), false);
  }

  #follow(): void {
    const { transport, process, onShadow } = this.#options;
    this.#heardAt = performance.now();
    this.#unfollow = transport.follow(
      process,
      (line) => {
        this.#heardAt = performance.now();
        const message = parsed(line);
        switch (message.type) {
          case "hello":
            this.#meet(String(message.epoch));
            this.#state = "up";
            this.#retryMs = retryMs.first;
            break;
          case "release":
            if (Array.isArray(message.ids)) for (const id of message.ids) this.#holds.release(id);
            break;
          case "alive":
            if (typeof message.durable === "number") this.record.durable(message.durable);
            break;
          case "shadow":
            if (Array.isArray(message.would)) for (const fate of message.would) tell(onShadow, fate);
            break;
        }
      },
      (why) => {
        this.#unfollow = undefined;
        if (!this.#closing) this.#lose(`the gatekeeper is away: ${why}`);
      },
    );
  }

  #listen(): void {
    if (performance.now() - this.#heardAt > silenceMs) this.#unfollow?.();
  }

  /** The gatekeeper is away: nothing is held any more, and it is tried again. */
  #lose(message: string): void {
    if (this.#state !== "down") this.#options.warn({ code: "away", message: `${message}; work runs at once` });
    this.#state = "down";
    this.#firsts = [];
    this.#holds.releaseAll();
    const unfollow = this.#unfollow;
    this.#unfollow = undefined;
    unfollow?.();
    if (this.#closing || this.#planned) return;
    this.#plan(this.#retryMs * (0.5 + Math.random() / 2));
    this.#retryMs = Math.min(this.#retryMs * 2, retryMs.longest);
  }
}

function parsed(line: string): { type?: unknown; epoch?: unknown; ids?: unknown; durable?: unknown; would?: unknown } {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

function tell(onShadow: LinkOptions["onShadow"], fate: ShadowFate): void {
  try {
    onShadow?.(fate);
  } catch {
    // A faulty listener must not harm the work.
  }
}
