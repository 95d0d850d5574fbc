/** Lays recorded windows out as ticks in a row, so that bounds may be moved from one window to the next. */
import type { Span } from "./equations.ts";
import type { StoredWindow } from "./memory.ts";

export interface Timeline {
  /** In the order of `spans`. */
  readonly windows: readonly StoredWindow[];
  readonly ticks: readonly Int32Array[];
  readonly spans: readonly Span[];
}

/** How far off an inferred bound may be, ticks. */
const leeway = 1;

/** Windows by epoch and tick; `column` tells the unknown that stands for a query in a window. */
export function layOut(
  windows: readonly StoredWindow[],
  column: (query: number, window: StoredWindow) => number,
): Timeline {
  const ordered = windows.toSorted(
    (a, b) =>
      Number(a.epoch > b.epoch) - Number(a.epoch < b.epoch) || a.firstTick - b.firstTick || (a.key < b.key ? -1 : 1),
  );
  const ticks: Int32Array[] = [];
  const spans = ordered.map((window, i): Span => {
    const from = ticks.length;
    for (const tick of window.ticks) ticks.push(tick.map((query) => column(query, window)));
    const next = ordered[i + 1];
    const continued =
      window.inferred &&
      next?.inferred === true &&
      next.epoch === window.epoch &&
      next.firstTick === window.firstTick + window.ticks.length;
    return { from, to: ticks.length, bands: window.bands, leeway: window.inferred ? leeway : 0, continued };
  });
  return { windows: ordered, ticks, spans };
}
