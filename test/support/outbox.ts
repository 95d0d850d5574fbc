import { join } from "node:path";
import { silentLog } from "../../platform/log.ts";
import { type Outbox, type OutboxOptions, openOutbox } from "../../platform/outbox.ts";
import type { StoredRow } from "../../platform/outbox-file.ts";
import type { NewRow } from "../../platform/outbox-row.ts";
import { RangeSet } from "../../platform/range-set.ts";
import { FakeClock } from "./clock.ts";

/** UUIDs that count up: `00000000-0000-4000-8000-000000000001`, ... */
export function countingUuid(prefix = 0): () => string {
  let count = 0;
  return () => `0000000${prefix}-0000-4000-8000-${String(++count).padStart(12, "0")}`;
}

export function openTestOutbox(directory: string, options: Partial<OutboxOptions> = {}): Outbox {
  return openOutbox({
    file: join(directory, "outbox.sqlite"),
    serverId: "s",
    diskBoundBytes: 2 ** 30,
    clock: new FakeClock(),
    log: silentLog,
    uuid: countingUuid(),
    ...options,
  });
}

/** An execution that is told from others by `number`. */
export function execution(number: number): NewRow {
  return {
    type: "execution",
    epoch: "e",
    executionId: `x${number}`,
    queryId: `q${number % 7}`,
    arrivedAt: 1_000 + number,
    executedAt: 1_100 + number,
    tick: number,
    delayTicks: 1,
  };
}

export function executions(count: number, from = 1): NewRow[] {
  return Array.from({ length: count }, (_, offset) => execution(from + offset));
}

/** Every row on disk that waits or is recorded, in order. */
export function heldRows(outbox: Outbox): StoredRow[] {
  const held = new RangeSet([
    ...outbox.unsettled(),
    ...outbox.recordedAndHeld({ first: 1, last: outbox.lastPosition }),
  ]);
  return held.ranges.flatMap((range) => outbox.read(range, Number.POSITIVE_INFINITY));
}
