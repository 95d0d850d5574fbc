/** Learns from all that memory holds; where a cost turns out to have changed, with its costs before and after apart. */
import { findBreak } from "./breaks.ts";
import { type Change, findChanges } from "./changes.ts";
import { type Columns, columnsOf } from "./columns.ts";
import { buildEquations } from "./equations.ts";
import { type Learned, learn } from "./learn.ts";
import { type Memory, newVersion, type Query, type StoredWindow } from "./memory.ts";
import { recall, remember } from "./progress.ts";
import { layOut } from "./timeline.ts";

/** Rounds of looking for changed costs in one run, and in one that goes on from another. */
const mostSearches = 4;
const mostSearchesOnward = 2;
/** Rounds since learning began before changes are sought: before, what is not yet learned looks like change. */
const leastRounds = 14;
/** Share of a run's work that a search after the first may take, whatever is left. */
const leastShare = 1 / 7;
/** Relative sd up to which a cost counts as known. */
const knownSd = 0.15;
/** Relative sd of the first guess at a changed cost. */
const hintSd = 0.2;

export interface Relearned {
  readonly columns: Columns;
  readonly windows: readonly StoredWindow[];
  readonly learned: Learned;
  /** Executions read, counted each time. */
  readonly work: number;
}

/** How much may be learned, and when to begin anew. */
export interface Limits {
  /** Ticks in memory, which a round's work goes with, up to which learning begins anew each time, and is done to the end. */
  readonly afreshUpTo: number;
  /** Executions that a run may read beyond that, counted each time; what it leaves undone is the next one's. */
  readonly mostWork: number;
}

export function relearn(memory: Memory, { afreshUpTo, mostWork }: Limits): Relearned {
  const afresh = memory.ticks <= afreshUpTo;
  if (afresh) memory.progress = undefined;
  const onward = memory.progress !== undefined;
  const readAfresh = new Set<Query>();
  let work = 0;
  for (let search = 1; ; search++) {
    const columns = columnsOf(memory);
    const { windows, ticks, spans } = layOut(memory.windows, columns.of);
    const { progress } = memory;
    const course = {
      turn: progress?.runs ?? 0,
      most: Math.max(mostWork - work, mostWork * leastShare),
      recall: progress ? (learned: Learned) => recall(progress, learned, windows, columns) : undefined,
    };
    const outsiders = columns.list.flatMap(({ version }, column) => (version.since > 0 ? [column] : []));
    const learned = learn(buildEquations(ticks, spans), columns.anchors, outsiders, afresh ? undefined : course);
    work += learned.work;
    if (!afresh) remember(memory, learned, windows, columns);
    const result = { columns, windows, learned, work };
    if (search > (onward ? mostSearchesOnward : mostSearches) || learned.rounds < leastRounds) return result;
    const broken = findBreak(learned, windows, columns);
    if (broken?.sure) {
      memory.beginAnew(broken.after);
      continue;
    }
    // What nearly all windows contradict is no change of single costs.
    if (broken) return result;
    const changes = changesIn(learned, windows, columns);
    if (changes.length === 0) return result;
    for (const change of changes) {
      const { query, version } = columns.list[change.column] ?? {};
      if (!query || !version) continue;
      if (onward && !readAfresh.has(query)) {
        // What earlier runs settled on may only look like a change: it is read afresh first.
        readAfresh.add(query);
        version.factors = undefined;
        forgetFactors(memory, query, version.since);
      } else {
        const since = windows[change.window]?.endedAt ?? 0;
        query.versions.push(versionFrom(since, change, learned));
        forgetFactors(memory, query, since);
      }
    }
  }
}

function changesIn(learned: Learned, windows: readonly StoredWindow[], { list }: Columns): Change[] {
  const byAge = Array.from(windows.keys()).sort((a, b) => (windows[a]?.endedAt ?? 0) - (windows[b]?.endedAt ?? 0));
  // Only a cost that was known can be seen to change: what is not yet known moves by itself.
  const known = (column: number) =>
    learned.propagations.every(
      ({ belief: { mean, variance } }) => Math.sqrt(variance[column] ?? 0) < knownSd * Math.max(mean[column] ?? 0, 10),
    );
  return findChanges(learned.equations, learned, byAge, (column) => list[column]?.current === true && known(column));
}

function versionFrom(since: number, { column, shift }: Change, { propagations }: Learned) {
  const version = newVersion(since);
  // A hint, weak beside a single window: it only keeps the new cost from being taken for unseen executions.
  propagations.forEach(({ belief }, r) => {
    const hint = Math.max((belief.mean[column] ?? 0) + (shift[r] ?? 0), 0);
    version.precision[r] = 1 / (hintSd * Math.max(hint, 10)) ** 2;
    version.shift[r] = hint * (version.precision[r] ?? 0);
  });
  return version;
}

/** What was read from a query's windows since then holds no more. */
function forgetFactors({ queries, windows }: Memory, query: Query, since: number): void {
  for (const window of windows)
    if (window.endedAt >= since && window.ticks.some((tick) => tick.some((ran) => queries[ran] === query)))
      window.factors = undefined;
}
