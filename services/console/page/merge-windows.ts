import type { WindowPoint } from "../contract/live.ts";

const keptMs = 3_600_000;
const mostWindows = 7_200;

/** Adds new windows and drops those older than an hour. */
export function mergeWindows(windows: WindowPoint[], more: readonly WindowPoint[]): void {
  const last = windows.at(-1)?.at ?? 0;
  for (const window of more) if (window.at > last) windows.push(window);
  const from = (windows.at(-1)?.at ?? 0) - keptMs;
  const old = windows.findIndex(({ at }) => at > from);
  const over = Math.max(old, windows.length - mostWindows);
  if (over > 0) windows.splice(0, over);
}
