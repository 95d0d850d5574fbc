/**
 * The capture protocol, small enough to look at every interleaving: an outbox, its sender, a queue, the recorder and its
 * table, with the faults that may befall each. What it says in words: docs/adr/0401 to 0403.
 *
 * Simplified: an event is one row and one commit; retention is an assumption (`trim` is possible once neither the table
 * nor a snapshot of it that may still be restored lacks the receipt); a loss is told at once instead of by a row of its own.
 */

import {
  type Bounds,
  copyState,
  copyTable,
  emptyTable,
  type Flight,
  insert,
  isRecorded,
  type Move,
  remove,
  type State,
  type Table,
  withPartOf,
} from "./state.ts";

/** What is wrong on purpose: each of these must be caught. */
export type Mutant =
  | "recorded up to the greatest seen"
  | "trimmed on what a restore takes back"
  | "synchronous=NORMAL"
  | "synchronous=NORMAL, and no new incarnation"
  | "no new incarnation after a lost tail"
  | "no mark beside the file"
  | "receipts beyond the file not looked for"
  | "what is to be compared forgotten at a restart"
  | "no AUTOINCREMENT"
  | "receipts apart from their rows"
  | "receipts in one of two tables"
  | "receipt before its rows"
  | "receipt for the whole message, poison included"
  | "receipt after part of the rows"
  | "receipt keyed without the incarnation"
  | "receipts remembered though they are gone"
  | "only what is under way looked up again"
  | "recorded when the queue has taken it"
  | "the same dedup id on a resend"
  | "the same group on a resend"
  | "a tombstone taken for a receipt"
  | "repaired rows numbered anew"
  | "executed before it is on disk"
  | "retraction of what is no longer held";

type Change = (name: string, change: (next: State) => void) => void;

/** The protocol, right or with one thing wrong. */
export class Protocol {
  readonly bounds: Bounds;
  readonly mutant: Mutant | undefined;

  constructor(bounds: Bounds, mutant?: Mutant) {
    this.bounds = bounds;
    this.mutant = mutant;
  }

  /** Everything that can happen next. */
  moves(state: State): Move[] {
    const moves: Move[] = [];
    const may = (name: string, change: (next: State) => void) => {
      const next = copyState(state);
      change(next);
      moves.push({ name, state: next });
    };
    const fault = (name: string, change: (next: State) => void) => {
      if (state.faultsLeft === 0) return;
      may(name, (next) => {
        next.faultsLeft--;
        change(next);
      });
    };
    this.#serverMoves(state, may, fault);
    this.#senderMoves(state, may);
    this.#cloudMoves(state, may, fault);
    return moves;
  }

  #serverMoves(state: State, may: Change, fault: Change): void {
    if (state.executed < this.bounds.events) {
      may("execute", (next) => this.#execute(next));
      if (this.mutant === "executed before it is on disk") {
        fault("kill in mid-tick", (next) => {
          next.executed++;
          this.#reopen(next);
        });
      }
    }
    for (const position of state.settled) {
      if (!state.rows[position - 1] || !this.#mayTrim(state, position)) continue;
      may(`trim ${position}`, (next) => {
        next.rows[position - 1] = 0;
      });
    }
    fault("kill", (next) => this.#reopen(next));
    fault("power loss", (next) => {
      const events = this.#cut(next, next.unsynced);
      // The mark is not synced either. Were the loss told, would numbers given out twice do harm?
      if (next.unsynced > 0) next.mark = next.rows.length;
      if (this.mutant === "synchronous=NORMAL, and no new incarnation")
        for (const event of events) insert(next.told, event);
      this.#reopen(next);
    });
    for (let lost = 1; lost <= Math.min(2, state.rows.length); lost++) {
      fault(`the file loses its last ${lost}`, (next) => {
        const events = this.#cut(next, lost);
        const noticed = next.mark > next.rows.length && this.mutant !== "no mark beside the file";
        if (noticed) for (const event of events) insert(next.told, event);
        this.#reopen(next);
      });
      // With the mark gone, too, only the table can tell: when everything lost is recorded and nothing is on its way.
      const cut = Array.from({ length: lost }, (_, index) => this.keyOf(state, state.rows.length - index));
      if (state.messages.length > 0 || !cut.every((key) => isRecorded(state.table, key))) continue;
      fault(`the file loses its last ${lost}, and its mark`, (next) => {
        for (const event of this.#cut(next, lost)) insert(next.told, event);
        next.mark = next.rows.length;
        next.unmarked = true;
        this.#reopen(next);
      });
    }
    for (const [index, event] of state.rows.entries()) {
      if (event) fault(`row ${index + 1} is damaged`, (next) => this.#repair(next, index + 1));
    }
  }

  #senderMoves(state: State, may: Change): void {
    if (state.openedBefore > 0) {
      may("compare with the table", (next) => this.#verify(next));
      return;
    }
    if (state.messages.length < this.bounds.messages) {
      const [open] = this.#unsent(state);
      if (open) {
        may(`send ${open.first}`, (next) => this.#send(next, { ...open, last: open.first, sends: 1 }));
        if (open.last > open.first)
          may(`send ${open.first}-${open.last}`, (next) => this.#send(next, { ...open, sends: 1 }));
      }
      for (const flight of state.flights) {
        if (flight.sends < this.bounds.sends)
          may(`time out ${flight.first}-${flight.last}`, (next) => this.#resend(next, flight));
      }
    }
    if (state.read) may("take note of receipts", (next) => this.#takeNote(next));
    else {
      may("read receipts under way", (next) => this.#read(next, false));
      may("read all receipts", (next) => this.#read(next, true));
    }
  }

  #cloudMoves(state: State, may: Change, fault: Change): void {
    for (const [index, message] of state.messages.entries()) {
      fault(`lose message ${index}`, (next) => {
        next.messages.splice(index, 1);
      });
      if (state.blocked && !message.own) continue;
      may(`record message ${index}`, (next) => this.#record(next, index, "all"));
      may(`record message ${index} again later`, (next) => this.#record(next, index, "stays"));
      may(`record message ${index}, killed before the receipt`, (next) => this.#record(next, index, "no receipt"));
      if (this.bounds.twoTables)
        may(`record message ${index}, killed between its receipts`, (next) => this.#record(next, index, "one receipt"));
      if (message.events.length > 1)
        may(`record message ${index}, killed in mid-batch`, (next) => this.#record(next, index, "part"));
    }
    if (!state.blocked) {
      fault("the first group is blocked", (next) => {
        next.blocked = true;
      });
    }
    if (state.poison === 0 && state.executed > 0) {
      fault("the last event is poison", (next) => {
        next.poison = next.executed;
      });
    }
    if (state.table.tombstones.length > 0) {
      fault("dead letters are discarded", (next) => {
        next.table.tombstones = [];
        next.poison = 0;
      });
    }
    may("take a snapshot", (next) => {
      next.snapshot = copyTable(next.table);
    });
    const { snapshot } = state;
    if (state.unmarked) return;
    if (snapshot) fault("restore the table", (next) => this.#restore(next, copyTable(snapshot)));
    fault("lose the table", (next) => {
      // What was trimmed is gone with it: an audit says so.
      for (const event of Object.values(next.table.rows)) if (!next.rows.includes(event)) insert(next.told, event);
      next.snapshot = null;
      this.#restore(next, emptyTable(this.bounds));
    });
    for (const part of this.bounds.twoTables ? (["first", "second"] as const) : []) {
      if (snapshot) {
        fault(`restore the ${part} table alone`, (next) => {
          this.#restore(next, withPartOf(next.table, snapshot, part));
        });
      }
      fault(`lose the ${part} table alone`, (next) => {
        const rest = withPartOf(next.table, emptyTable(this.bounds), part);
        for (const [key, event] of Object.entries(next.table.rows)) {
          if (rest.rows[key] === undefined && !next.rows.includes(event)) insert(next.told, event);
        }
        next.snapshot = null;
        this.#restore(next, rest);
      });
    }
  }

  /** All faults end; everything that can be recorded is, in the end. Returns the state then. */
  heal(state: State): State {
    const next = copyState(state);
    next.faultsLeft = 0;
    next.poison = 0;
    for (let round = 0; round < 6; round++) {
      if (next.openedBefore > 0) this.#verify(next);
      // Redriving writes the row, leaves its receipt and takes the tombstone away.
      for (const key of [...next.table.tombstones]) {
        remove(next.table.tombstones, key);
        const position = next.rows.findIndex((event, index) => event > 0 && this.keyOf(next, index + 1) === key) + 1;
        if (position > 0) this.#write(next, key, next.rows[position - 1] ?? 0, true);
      }
      for (let index = next.messages.length - 1; index >= 0; index--) {
        if (!next.blocked || next.messages[index]?.own) this.#record(next, index, "all");
      }
      if (next.read) this.#takeNote(next);
      this.#read(next, true);
      this.#takeNote(next);
      for (const flight of [...next.flights]) this.#resend(next, flight);
      for (let open = this.#unsent(next)[0]; open; open = this.#unsent(next)[0])
        this.#send(next, { ...open, sends: 1 });
    }
    return next;
  }

  /** `incarnation.sequence` of a position. */
  keyOf({ incarnations }: Pick<State, "incarnations">, position: number): string {
    const incarnation = incarnations.findLast(({ first }) => first <= position);
    return `${incarnation?.id}.${position - (incarnation?.first ?? 1) + 1}`;
  }

  #execute(next: State): void {
    next.executed++;
    next.rows.push(next.executed);
    next.mark = Math.max(next.mark, next.rows.length);
    if (this.mutant?.startsWith("synchronous=NORMAL")) next.unsynced = Math.min(2, next.unsynced + 1);
  }

  #mayTrim(state: State, position: number): boolean {
    if (this.mutant === "trimmed on what a restore takes back") return true;
    const key = this.keyOf(state, position);
    const kept = (table: Table | null) =>
      table === null ||
      this.#isRecorded(table, key) ||
      (this.mutant === "a tombstone taken for a receipt" && table.tombstones.includes(key));
    const believed =
      this.mutant === "recorded up to the greatest seen" || this.mutant === "recorded when the queue has taken it";
    return believed || (kept(state.table) && kept(state.snapshot));
  }

  /** The last commits are gone from the file. Returns the events in them. */
  #cut(next: State, commits: number): number[] {
    const lost = next.rows.splice(next.rows.length - commits, commits);
    next.settled = next.settled.filter((position) => position <= next.rows.length);
    next.incarnations = next.incarnations.filter(({ first }) => first <= next.rows.length + 1);
    return lost.filter((event) => event > 0);
  }

  /** The process starts anew: what it had in memory is gone. */
  #reopen(next: State): void {
    next.flights = [];
    next.read = null;
    next.unsynced = 0;
    if (this.mutant === "no AUTOINCREMENT" && next.rows.length > 0 && next.rows.every((event) => event === 0)) {
      next.rows = [];
      next.mark = 0;
    }
    // What was not compared yet is still to be.
    const remembered = next.openedBefore > 0 && this.mutant !== "what is to be compared forgotten at a restart";
    next.openedBefore = Math.min(remembered ? next.openedBefore : Number.POSITIVE_INFINITY, next.rows.length + 1);
    if (next.mark > next.rows.length && this.mutant !== "no mark beside the file") this.#reincarnate(next);
    next.mark = next.rows.length;
  }

  #reincarnate(next: State): void {
    if (this.mutant === "no new incarnation after a lost tail") return;
    if (this.mutant === "synchronous=NORMAL, and no new incarnation") return;
    this.#mint(next, next.openedBefore);
  }

  /** One that has no rows makes way: its numbers may be taken. */
  #mint(next: State, first: number): void {
    next.incarnations = [...next.incarnations.filter((other) => other.first < first), { id: next.minted++, first }];
  }

  /** Are there receipts beyond what the file held when it was opened? */
  #verify(next: State): void {
    const current = next.incarnations.at(-1);
    const beyond = next.table.receipts.some((key) => {
      const [id, sequence = 0] = key.split(".").map(Number);
      const given = current !== undefined && id === current.id && current.first + sequence - 1 >= next.openedBefore;
      return given && this.#isRecorded(next.table, key);
    });
    if (beyond && this.mutant !== "receipts beyond the file not looked for") this.#reincarnate(next);
    next.openedBefore = 0;
    next.unmarked = false;
  }

  #repair(next: State, position: number): void {
    insert(next.told, next.rows[position - 1] ?? 0);
    next.rows[position - 1] = 0;
    insert(next.settled, position);
    this.#mint(next, next.rows.length + 1);
    if (this.mutant === "repaired rows numbered anew") {
      for (const [index, event] of [...next.rows.entries()]) {
        if (event === 0) continue;
        next.rows.push(event);
        next.rows[index] = 0;
        insert(next.settled, index + 1);
      }
    }
    next.mark = next.rows.length;
    this.#reopen(next);
  }

  /** Runs of positions that have no receipt, no tombstone and are not under way, within an incarnation each. */
  #unsent(state: State): { first: number; last: number }[] {
    const runs: { first: number; last: number }[] = [];
    for (let position = 1; position <= state.rows.length; position++) {
      if (!this.#isOpen(state, position)) continue;
      if (state.flights.some(({ first, last }) => first <= position && position <= last)) continue;
      const run = runs.at(-1);
      if (run?.last === position - 1 && !state.incarnations.some(({ first }) => first === position))
        run.last = position;
      else runs.push({ first: position, last: position });
    }
    return runs;
  }

  #isOpen(state: State, position: number): boolean {
    if (state.settled.includes(position) || !state.rows[position - 1]) return false;
    return !state.table.tombstones.includes(this.keyOf(state, position));
  }

  #send(next: State, flight: Flight): void {
    const { first, last, sends } = flight;
    const [incarnation = 0, sequence = 0] = this.keyOf(next, first).split(".").map(Number);
    next.flights.push(flight);
    next.flights.sort((a, b) => a.first - b.first);
    if (this.mutant === "recorded when the queue has taken it") {
      for (let position = first; position <= last; position++) insert(next.settled, position);
    }
    if (this.mutant === "the same dedup id on a resend") {
      const id = `${incarnation}.${sequence}-${last - first}`;
      if (next.ids.includes(id)) return;
      insert(next.ids, id);
    }
    const own = sends > 1 && this.mutant !== "the same group on a resend";
    next.messages.push({ incarnation, first: sequence, events: next.rows.slice(first - 1, last), own });
  }

  /** What of a flight is still open goes out again, each run as a message. */
  #resend(next: State, flight: Flight): void {
    next.flights = next.flights.filter((other) => other.first !== flight.first);
    for (const { first, last } of this.#unsent(next)) {
      const run = { first: Math.max(first, flight.first), last: Math.min(last, flight.last) };
      if (run.first <= run.last) this.#send(next, { ...run, sends: flight.sends + 1 });
    }
  }

  /** Receipts of what is under way and of the newest recorded row; of everything when that one is gone, or asked for. */
  #read(next: State, everything: boolean): void {
    const recorded: number[] = [];
    for (let position = 1; position <= next.rows.length; position++) {
      if (this.#hasReceipt(next, position)) recorded.push(position);
    }
    const held = next.settled.filter((position) => next.rows[position - 1]);
    const newest = held.at(-1);
    const all = everything || (newest !== undefined && !recorded.includes(newest));
    const under = next.flights.flatMap(({ first, last }) =>
      Array.from({ length: last - first + 1 }, (_, index) => first + index),
    );
    const positions = Array.from({ length: next.rows.length }, (_, index) => index + 1);
    const looks = all && this.mutant !== "only what is under way looked up again";
    const asked = looks ? positions : positions.filter((position) => under.includes(position));
    next.read = { recorded: recorded.filter((position) => asked.includes(position)), asked };
  }

  #hasReceipt({ table, incarnations }: State, position: number): boolean {
    const key = this.keyOf({ incarnations }, position);
    if (this.mutant === "receipt keyed without the incarnation") {
      const [, sequence] = key.split(".");
      return table.receipts.some((receipt) => receipt.endsWith(`.${sequence}`));
    }
    if (this.mutant === "a tombstone taken for a receipt" && table.tombstones.includes(key)) return true;
    return this.#isRecorded(table, key);
  }

  #isRecorded(table: Table, key: string): boolean {
    return this.mutant === "receipts in one of two tables" ? table.receipts.includes(key) : isRecorded(table, key);
  }

  #takeNote(next: State): void {
    const { recorded, asked } = next.read ?? { recorded: [], asked: [] };
    next.read = null;
    const greatest = this.mutant === "recorded up to the greatest seen" ? (recorded.at(-1) ?? 0) : 0;
    for (const position of asked) {
      if (position > next.rows.length) continue;
      const held = (next.rows[position - 1] ?? 0) > 0 || this.mutant === "retraction of what is no longer held";
      if (recorded.includes(position) || position <= greatest) insert(next.settled, position);
      else if (held && this.mutant !== "receipts remembered though they are gone") {
        if (this.mutant !== "recorded when the queue has taken it") remove(next.settled, position);
      }
    }
    next.flights = next.flights.filter(({ first, last }) => {
      for (let position = first; position <= last; position++) if (!next.settled.includes(position)) return true;
      return false;
    });
  }

  #record(next: State, index: number, how: "all" | "stays" | "no receipt" | "one receipt" | "part"): void {
    const message = next.messages[index];
    if (!message) return;
    const { incarnation, first, events } = message;
    if (how === "all") next.messages.splice(index, 1);
    const done = how === "part" ? events.slice(0, 1) : events;
    const receipts = how === "all" || how === "stays";
    for (const [offset, event] of done.entries()) {
      const key = `${incarnation}.${first + offset}`;
      if (this.mutant === "receipt before its rows" && !receipts) insert(next.table.receipts, key);
      else this.#write(next, key, event, receipts);
    }
    if (how === "one receipt") {
      for (const [offset, event] of done.entries()) {
        if (event > 0 && event !== next.poison) insert(next.table.receipts, `${incarnation}.${first + offset}`);
      }
    }
    if (how === "part" && this.mutant === "receipt after part of the rows") {
      for (const offset of events.keys()) insert(next.table.receipts, `${incarnation}.${first + offset}`);
    }
  }

  /** A row that is there already is written again: its key is its own. Another one stands beside it, as a conflict. */
  #write({ table, poison }: State, key: string, event: number, receipt: boolean): void {
    if (event > 0 && event === poison) {
      if (!receipt) return;
      insert(table.tombstones, key);
      if (this.mutant === "receipt for the whole message, poison included") insert(table.receipts, key);
      return;
    }
    const before = table.rows[key];
    const name = before === undefined || before === event ? key : `${key} beside`;
    table.rows = Object.fromEntries(
      Object.entries({ ...table.rows, [name]: event }).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    if (receipt) insert(table.receipts, key);
    if (receipt && table.twins) insert(table.twins, key);
  }

  #restore(next: State, table: Table): void {
    const { receipts } = next.table;
    next.table = table;
    if (this.mutant === "receipts apart from their rows") next.table.receipts = [...receipts];
  }
}
