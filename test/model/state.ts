/** A state of the modelled protocol, and what must hold in it. */
export interface Bounds {
  readonly events: number;
  /** Faults in one run. */
  readonly faults: number;
  /** Sends of the same rows, beyond which time-outs wait for healing. */
  readonly sends: number;
  /** Messages in the queue. */
  readonly messages: number;
  /** Events with even numbers have a table of their own, as metrics windows do, and each table its receipts (ADR 720). */
  readonly twoTables?: true;
}

/** Rows by `incarnation.sequence`; receipts and tombstones name the same. */
export interface Table {
  rows: Record<string, number>;
  receipts: string[];
  tombstones: string[];
  /** The second table's receipts; null where there is one table. */
  twins: string[] | null;
}

export interface Message {
  readonly incarnation: number;
  readonly first: number;
  readonly events: readonly number[];
  readonly own: boolean;
}

export interface Flight {
  readonly first: number;
  readonly last: number;
  readonly sends: number;
}

/** Everything, as plain data: equal states have equal JSON. */
export interface State {
  /** Events 1..executed were acknowledged. */
  executed: number;
  /** Events whose loss was told. */
  told: number[];
  /** By position - 1: the event, 0 when its row is not held. */
  rows: number[];
  /** Incarnations on file by their first position. Ids are never used twice: the next one is `minted`. */
  incarnations: { readonly id: number; readonly first: number }[];
  minted: number;
  settled: number[];
  /** Highest position given out, in its own file. */
  mark: number;
  /**
   * The file lost its tail and its mark: until it was compared with the table only that can tell. Should the table be
   * restored in just that time, two rows stand beside each other under one number, which an audit tells.
   */
  unmarked: boolean;
  /** Commits that a power loss takes back. */
  unsynced: number;
  /** Rows before this were in the file when it was opened; 0 once it was compared with the table. */
  openedBefore: number;
  flights: Flight[];
  /** Positions with receipts, as read and not yet taken note of. */
  read: { readonly recorded: readonly number[]; readonly asked: readonly number[] } | null;
  messages: Message[];
  /** Dedup ids seen in the last five minutes, where they can repeat. */
  ids: string[];
  blocked: boolean;
  poison: number;
  table: Table;
  snapshot: Table | null;
  faultsLeft: number;
}

export interface Move {
  readonly name: string;
  readonly state: State;
}

export function initialState(bounds: Bounds): State {
  return {
    executed: 0,
    told: [],
    rows: [],
    incarnations: [{ id: 0, first: 1 }],
    minted: 1,
    settled: [],
    mark: 0,
    unmarked: false,
    unsynced: 0,
    openedBefore: 0,
    flights: [],
    read: null,
    messages: [],
    ids: [],
    blocked: false,
    poison: 0,
    table: emptyTable(bounds),
    snapshot: null,
    faultsLeft: bounds.faults,
  };
}

/** The shapes are known: faster than `structuredClone`. */
export function copyState(state: State): State {
  return {
    ...state,
    told: [...state.told],
    rows: [...state.rows],
    incarnations: [...state.incarnations],
    settled: [...state.settled],
    flights: [...state.flights],
    messages: [...state.messages],
    ids: [...state.ids],
    table: copyTable(state.table),
  };
}

export function emptyTable({ twoTables }: Bounds): Table {
  return { rows: {}, receipts: [], tombstones: [], twins: twoTables ? [] : null };
}

export function copyTable({ rows, receipts, tombstones, twins }: Table): Table {
  return { rows: { ...rows }, receipts: [...receipts], tombstones: [...tombstones], twins: twins && [...twins] };
}

/** One of the two tables as `from` has it, the other as `table` has it. Tombstones stand in the first. */
export function withPartOf(table: Table, from: Table, part: "first" | "second"): Table {
  const isSecond = (event: number) => event % 2 === 0;
  const rowsOf = ({ rows }: Table, second: boolean) =>
    Object.entries(rows).filter(([, event]) => isSecond(event) === second);
  const [first, second] = part === "first" ? [from, table] : [table, from];
  const rows = [...rowsOf(first, false), ...rowsOf(second, true)].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...copyTable(first), rows: Object.fromEntries(rows), twins: second.twins && [...second.twins] };
}

/** Whether every table has the receipt of a row. */
export function isRecorded({ receipts, twins }: Table, key: string): boolean {
  return receipts.includes(key) && (twins === null || twins.includes(key));
}

export function insert<Value extends number | string>(set: Value[], value: Value): void {
  if (set.includes(value)) return;
  set.push(value);
  set.sort((a, b) => (a < b ? -1 : 1));
}

export function remove<Value>(set: Value[], value: Value): void {
  const index = set.indexOf(value);
  if (index >= 0) set.splice(index, 1);
}

/** What must hold in every state; the first that does not, in words. */
export function brokenInvariant(state: State): string | undefined {
  const { table, rows, executed, told } = state;
  const keys = new Map<number, string>();
  for (const [key, event] of Object.entries(table.rows)) {
    if (key.endsWith("beside")) return `two events under one number: ${key}`;
    const other = keys.get(event);
    if (other !== undefined) return `event ${event} is counted twice: ${other} and ${key}`;
    keys.set(event, key);
  }
  for (const receipt of table.receipts) {
    if (isRecorded(table, receipt) && table.rows[receipt] === undefined) return `a receipt without its row: ${receipt}`;
  }
  for (let event = 1; event <= executed; event++) {
    if (!rows.includes(event) && !keys.has(event) && !told.includes(event)) return `event ${event} is lost`;
  }
  return undefined;
}

/** What must hold once everything has healed. */
export function brokenPromise(state: State): string | undefined {
  const broken = brokenInvariant(state);
  if (broken) return broken;
  const recorded = new Set(Object.values(state.table.rows));
  for (let event = 1; event <= state.executed; event++) {
    if (!recorded.has(event) && !state.told.includes(event)) return `event ${event} is never recorded`;
  }
  for (const [index, event] of state.rows.entries()) {
    if (state.settled.includes(index + 1)) continue;
    return event ? `row ${index + 1} waits for ever` : `row ${index + 1} is waited for and not held`;
  }
  return undefined;
}
