/** How times and sequence numbers are written in table keys: fixed width, so that they sort as numbers do. */

/** UTC hour of a Unix time in ms: `2026-11-21T09`. */
export function hourOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 13);
}

/** The hours that touch `fromMs..toMs`, oldest first. */
export function hoursBetween(fromMs: number, toMs: number): string[] {
  const hours: string[] = [];
  for (let start = Math.floor(fromMs / 3_600_000) * 3_600_000; start <= toMs; start += 3_600_000) {
    hours.push(hourOf(start));
  }
  return hours;
}

/** Unix ms as 13 digits. */
export function padTime(ms: number): string {
  return String(ms).padStart(13, "0");
}

/** A sequence number as 12 digits. */
export function padSequence(sequence: number): string {
  return String(sequence).padStart(12, "0");
}

/** TTL attribute: epoch seconds at which an item written for `ms` may go. */
export function expiresAt(ms: number, ttlSeconds: number): number {
  return Math.floor(ms / 1_000) + ttlSeconds;
}

/** Every key that an item can have in any of the tables; readers parse the rest. */
export type TableItem = Readonly<Record<string, unknown>>;
