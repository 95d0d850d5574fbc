import type { Triple } from "../types.ts";
import type { Item } from "./item.ts";

/**
 * Sets of items whose costs lie within one box of relative width (1 + width) / (1 - width), found by an exact sweep:
 * each item in turn is the box's lowest in cpu, each of what remains its lowest in io, and memory slides.
 * O(n s t log t) for n items, of which s lie near in cpu and t also in io.
 * @param atLeast smaller sets are left out
 */
export function findBoxes(items: readonly Item[], width: number, atLeast: number): Item[][] {
  const ratio = (1 + width) / (1 - width);
  const found = new Map<string, Item[]>();
  const byCpu = items.toSorted((a, b) => a.cost[0] - b.cost[0]);
  for (const [at, { cost: anchor }] of byCpu.entries()) {
    if (at > 0 && byCpu[at - 1]?.cost[0] === anchor[0]) continue;
    const nearCpu = within(byCpu, 0, at, ratio);
    if (nearCpu.length < atLeast) continue;
    nearCpu.sort((a, b) => a.cost[1] - b.cost[1]);
    for (let io = 0; io + atLeast <= nearCpu.length; io++) {
      if (io > 0 && nearCpu[io - 1]?.cost[1] === nearCpu[io]?.cost[1]) continue;
      const nearIo = within(nearCpu, 1, io, ratio);
      if (nearIo.length < atLeast) continue;
      nearIo.sort((a, b) => a.cost[2] - b.cost[2]);
      let reached = 0;
      for (let memory = 0; memory + atLeast <= nearIo.length; memory++) {
        const box = within(nearIo, 2, memory, ratio);
        if (box.length < atLeast || memory + box.length === reached) continue;
        reached = memory + box.length;
        found.set(
          box
            .map(({ id }) => id)
            .toSorted()
            .join(),
          box,
        );
      }
    }
  }
  return Array.from(found.values());
}

/** From `at` on in ascending order of one resource: those at most `ratio` times the first. */
export function within<T extends { readonly cost: Triple }>(
  sorted: readonly T[],
  resource: 0 | 1 | 2,
  at: number,
  ratio: number,
): T[] {
  const most = (sorted[at]?.cost[resource] ?? 0) * ratio;
  let end = at;
  while (end < sorted.length && (sorted[end]?.cost[resource] ?? 0) <= most) end++;
  return sorted.slice(at, end);
}
