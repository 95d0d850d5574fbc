/**
 * Is everything that a server executed in the tables? From receipts, tombstones and gaps, not from rows, so that it stays
 * cheap however much was executed; `deep` reads the rows, too. The command line and the console call the same function.
 */
import { GetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { type Book, openBook } from "./audit-books.ts";
import { compareRows, type DeepFindings } from "./audit-rows.ts";
import type { WorkloadEnvironment } from "./environment.ts";
import { readLedgerTicks } from "./ledger-file.ts";
import { type Range, RangeSet } from "./range-set.ts";
import { listIncarnations } from "./tables/servers.ts";
import type { HeldIncarnation, ServerInfo } from "./wire.ts";

/** One outbox file: its rows (executions, windows, gaps) are numbered from 1. Counts are of rows. */
export interface IncarnationAudit {
  readonly incarnation: string;
  /** Numbers given out when the audit began; of an outbox that nobody has any more, the last that ever came. */
  readonly executed: number;
  readonly recorded: number;
  /** Neither recorded nor accounted for below: what is on its way, and what is lost. */
  readonly missing: readonly Range[];
  /** How many of the missing are in the outbox: they are sent until they are recorded. */
  readonly inOutbox: number;
  /** Those of the missing that nobody holds any more: they went with a table or a damaged outbox. */
  readonly lost: readonly Range[];
  /** In the dead-letter queue: they count as not recorded until redriven or discarded. */
  readonly deadLettered: number;
  /** Given up by a person, who said why. */
  readonly discarded: number;
  /** Recorded so long ago that their receipts have expired, as their rows have. */
  readonly expired: number;
  /** Times in which a tap could not see its server, or an outbox lost something: what ran then may be missing. */
  readonly gaps: number;
  /** The engine's own account of it; null where its ledger was not read. */
  readonly ledger: LedgerFindings | null;
  /** What only the rows themselves tell; null unless the audit was deep. */
  readonly rows: DeepFindings | null;
}

export interface LedgerFindings {
  /** When the oldest execution that the ledger still holds ran, Unix ms. */
  readonly since: number;
  /** What the engine says that it executed since then. */
  readonly executions: number;
  /** Of these, how many have no receipt (what ran since the audit began left out). */
  readonly unrecorded: number;
}

/** What `evenkeel audit --json` prints. */
export interface ServerAudit {
  readonly serverId: string;
  /** Unix ms. */
  readonly at: number;
  /** Everything that was executed is recorded, and nothing may have gone unseen. */
  readonly complete: boolean;
  /** Deep: nothing stands twice, and nothing differs from the engine's ledger. */
  readonly exact: boolean;
  /** Executions and windows that stand under more than one number; null unless the audit was deep. */
  readonly duplicated: number | null;
  /** Rows that wait in the outbox now, those executed since the audit began among them. */
  readonly waiting: number;
  /** Messages, of all servers, about; null where the queue does not answer. */
  readonly queue: { readonly waiting: number; readonly underWay: number } | null;
  /** Letters in the dead-letter queue, of all servers, about. */
  readonly deadLetters: number | null;
  /** Oldest first. */
  readonly incarnations: readonly IncarnationAudit[];
}

export interface AuditSources {
  readonly document: DynamoDBDocumentClient;
  readonly sqs: SQSClient;
  readonly names: Pick<
    WorkloadEnvironment,
    | "EVENKEEL_EXECUTIONS_TABLE"
    | "EVENKEEL_WINDOWS_TABLE"
    | "EVENKEEL_SERVERS_TABLE"
    | "EVENKEEL_QUEUE_URL"
    | "EVENKEEL_DLQ_URL"
  >;
  /** What `GET /server` says, asked just before: the audit covers what it had given out by then. */
  readonly server: ServerInfo;
  /** The engine's ledger, where it can be read: it is on the server's disk only. */
  readonly ledgerFile?: string | undefined;
  /** Read every row, too: costs a scan of both tables. */
  readonly deep?: boolean;
  /** Unix ms. */
  readonly now: number;
  /** Told now and then how many rows a deep audit has read. */
  readonly onProgress?: (rows: number) => void;
}

/** Audits every outbox that the server ever had, up to what it had given out when `server` was asked. */
export async function auditServer(sources: AuditSources): Promise<ServerAudit> {
  const { document, names, server, deep, ledgerFile, now } = sources;
  const { serverId, outbox } = server;
  const held = new Map((outbox.incarnations ?? []).map((of) => [of.incarnation, of]));
  const registered = await listIncarnations(document, names.EVENKEEL_SERVERS_TABLE, serverId);
  const noted = new Map(registered.map((of) => [of.incarnation, of]));
  const books: Book[] = [];
  for (const incarnation of new Set([...noted.keys(), ...held.keys(), outbox.incarnation])) {
    const given = incarnation === outbox.incarnation ? outbox.lastSequence : held.get(incarnation)?.lastSequence;
    books.push(await openBook(sources, incarnation, given, noted.get(incarnation)));
  }
  const ledger = ledgerFile === undefined ? undefined : await compareLedger(sources, ledgerFile, books);
  const rows = deep ? await compareRows(sources, books) : undefined;
  const incarnations = books
    // Without those that have given out nothing: a fresh file, or one that was begun anew at once.
    .filter(({ executed, incarnation: of }) => executed > 0 || of === outbox.incarnation || ledger?.has(of))
    .map((book) =>
      account(
        book,
        held.get(book.incarnation),
        ledger?.get(book.incarnation),
        rows?.byIncarnation.get(book.incarnation),
      ),
    );
  return {
    serverId,
    at: now,
    complete: incarnations.every(isComplete),
    exact:
      !rows?.duplicated && incarnations.every(({ rows: found }) => !found || found.conflicting + found.wrong === 0),
    duplicated: rows?.duplicated ?? null,
    waiting: outbox.waiting,
    ...(await countMessages(sources)),
    incarnations,
  };
}

/**
 * The ledger may know an outbox that was lost before any table heard of it: it gets a book, too. (Where a damaged outbox gave
 * such rows new numbers, they count here as unrecorded under the old ones: a ledger does not learn the new ones.)
 */
async function compareLedger(sources: AuditSources, file: string, books: Book[]) {
  const { serverId, outbox } = sources.server;
  const found = new Map<string, { since: number; executions: number; unrecorded: number }>();
  const known = new Map(books.map((book) => [book.incarnation, book]));
  for await (const { serverId: of, incarnation, first, count, executedAt } of readLedgerTicks(file)) {
    if (of !== serverId || incarnation === undefined || first === undefined) continue;
    const entry = found.get(incarnation) ?? { since: executedAt, executions: 0, unrecorded: 0 };
    found.set(incarnation, entry);
    entry.executions += count;
    const book = known.get(incarnation) ?? (await openBook(sources, incarnation, undefined, undefined));
    if (!known.has(incarnation)) books.push(book);
    known.set(incarnation, book);
    // What the present outbox has given out since the audit began is left out.
    const end = incarnation === outbox.incarnation ? book.executed : Number.POSITIVE_INFINITY;
    const range = { first: Math.max(first, book.expiredBefore), last: Math.min(first + count - 1, end) };
    entry.unrecorded += sizeOf(book.recorded.missing(range).flatMap((part) => book.discarded.missing(part)));
  }
  return found;
}

function account(
  book: Book,
  held: HeldIncarnation | undefined,
  ledger: LedgerFindings | undefined,
  rows: DeepFindings | undefined,
): IncarnationAudit {
  const { incarnation, executed, recorded, buried, discarded, expiredBefore } = book;
  const all = { first: expiredBefore, last: executed };
  const missing = recorded
    .missing(all)
    .flatMap((range) => buried.missing(range))
    .flatMap((range) => discarded.missing(range));
  const inOutbox = new RangeSet(held?.held ?? []);
  const deadLettered = sizeOf(buried.within(all));
  const given = sizeOf(discarded.within(all));
  return {
    incarnation,
    executed,
    recorded: executed - (expiredBefore - 1) - sizeOf(missing) - deadLettered - given - sizeOf(rows?.absent ?? []),
    missing,
    inOutbox: sizeOf(missing.flatMap((range) => inOutbox.within(range))),
    lost: missing.flatMap((range) => inOutbox.missing(range)),
    deadLettered,
    discarded: given,
    expired: expiredBefore - 1,
    gaps: book.gaps,
    ledger: ledger ?? null,
    rows: rows ?? null,
  };
}

function isComplete({ missing, deadLettered, gaps, ledger, rows }: IncarnationAudit): boolean {
  const absent = (rows?.absent.length ?? 0) + (ledger?.unrecorded ?? 0);
  return missing.length === 0 && deadLettered === 0 && gaps === 0 && absent === 0;
}

async function countMessages({ sqs, names }: AuditSources): Promise<Pick<ServerAudit, "queue" | "deadLetters">> {
  const count = async (QueueUrl: string) => {
    try {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({
          QueueUrl,
          AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        }),
      );
      return {
        waiting: Number(Attributes.ApproximateNumberOfMessages ?? 0),
        underWay: Number(Attributes.ApproximateNumberOfMessagesNotVisible ?? 0),
      };
    } catch {
      // The tables tell what is missing; this only helps to see where it is.
      return null;
    }
  };
  const [queue, letters] = await Promise.all([count(names.EVENKEEL_QUEUE_URL), count(names.EVENKEEL_DLQ_URL)]);
  return { queue, deadLetters: letters && letters.waiting + letters.underWay };
}

/** How many numbers are in the ranges. */
export function sizeOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}
