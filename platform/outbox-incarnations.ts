/** Which positions of an outbox's file belong to which incarnation. */
import type { Incarnation, LoadedFile, Loss } from "./outbox-file.ts";
import { OutboxDamaged, transaction } from "./outbox-sqlite.ts";
import { type Range, RangeSet } from "./range-set.ts";
import type { HeldIncarnation } from "./wire.ts";

/** The positions that belong to one incarnation; none when `last < first`. A row's sequence number is `position - first + 1`. */
export interface Span extends Range {
  readonly incarnation: string;
}

/** Oldest first. */
export function spansOf({ incarnations, lastPosition }: LoadedFile): Span[] {
  return incarnations.map(({ id, firstPosition }, index) => ({
    incarnation: id,
    first: firstPosition,
    last: (incarnations[index + 1]?.firstPosition ?? lastPosition + 1) - 1,
  }));
}

/** What is on disk of each incarnation, oldest first, in its sequence numbers. */
export function heldBySpan(file: LoadedFile): HeldIncarnation[] {
  return spansOf(file).map(({ incarnation, first, last }) => {
    const held = new RangeSet([...file.entries.held({ first, last }), ...file.settled.missing({ first, last })]);
    const sequences = held.ranges.map((range) => ({ first: range.first - first + 1, last: range.last - first + 1 }));
    return { incarnation, lastSequence: last - first + 1, held: sequences };
  });
}

export function currentSpan(file: LoadedFile): Span {
  const span = spansOf(file).at(-1);
  if (!span) throw new OutboxDamaged("no incarnation is on file");
  return span;
}

/** From its first position on rows belong to `incarnation`; `loss` is to be told. */
export function beginIncarnation(file: LoadedFile, incarnation: Incarnation, loss: Loss): void {
  const { db, incarnations, losses } = file;
  const { id, firstPosition } = incarnation;
  transaction(db, () => {
    // One whose rows are all lost makes way: its numbers are taken.
    db.prepare("DELETE FROM incarnations WHERE firstPosition >= ?").run(firstPosition);
    db.prepare("INSERT INTO incarnations VALUES (?, ?, ?)").run(firstPosition, id, loss.reason);
    db.prepare("INSERT INTO losses VALUES (?, ?, ?)").run(loss.from, loss.to, loss.reason);
  });
  const kept = incarnations.filter((other) => other.firstPosition < firstPosition);
  incarnations.splice(0, Number.POSITIVE_INFINITY, ...kept, incarnation);
  losses.push(loss);
}
