/** Rows as they are given to an outbox. */
import type { OutboxRow, WindowRow } from "./wire.ts";

/** A row before the outbox has numbered it. */
export type NewRow = OutboxRow extends infer Row ? (Row extends OutboxRow ? Omit<Row, "sequence"> : never) : never;

export type NewWindow = Omit<WindowRow, "sequence">;

/** A row must fit into one queue message. */
export const maxRowBytes = 240_000;

/** The row, or where it is too large for a message, a gap that says so: it must not be left out in silence. */
export function fitting(row: NewWindow): NewRow {
  const bytes = Buffer.byteLength(JSON.stringify(row));
  if (bytes <= maxRowBytes) return row;
  const { epoch, endedAt, ticks, tickMs } = row;
  const from = Math.max(0, Math.round(endedAt - ticks.length * tickMs));
  const reason = `a metrics window of ${bytes} bytes is too large to be recorded (${maxRowBytes}); its executions are recorded`;
  return { type: "gap", epoch, from, to: endedAt, reason };
}
