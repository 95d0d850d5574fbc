/** How commands print. */
import type { WindowAccount } from "../platform/tables/costs.ts";

/** Rows as text in aligned columns; numbers stand to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = rows.map((row) => row.map(String));
  const widths = head.map((name, column) => Math.max(name.length, ...texts.map((row) => row[column]?.length ?? 0)));
  const toTheRight = head.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        toTheRight[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return [head, ...texts].map(line).join("\n");
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** `93.4%`, or `-` while unknown. */
export function formatShare(share: number | null | undefined): string {
  return share === null || share === undefined ? "-" : `${(share * 100).toFixed(1)}%`;
}

/** Seconds, or `-` while unknown. */
export function formatSeconds(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "-" : `${seconds.toFixed(2)} s`;
}

/** `12 s ago`, `3 min ago`, `2 h ago`. */
export function formatAge(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1_000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3_600)} h ago`;
}

export type OddWindows = Pick<WindowAccount, "skippedTicks" | "outOfTime"> & {
  readonly rejected: Readonly<Record<string, number>>;
};

/** A line each for windows that could not be used (commonest reason first), were never read, or came out of time; none when all is well. */
export function formatOdd({ rejected, skippedTicks, outOfTime }: OddWindows): string[] {
  const reasons = Object.entries(rejected)
    .filter(([, times]) => times > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, times]) => `${formatCount(times)} ${reason}`);
  return [
    ...(reasons.length > 0 ? [`not used: ${reasons.join(", ")}`] : []),
    ...(skippedTicks > 0 ? [`${formatCount(skippedTicks)} ticks between windows never read`] : []),
    ...(outOfTime > 0 ? [`${formatCount(outOfTime)} windows far from their time: late, or a clock jumped`] : []),
  ];
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}
