import { averageOf, bandAround, contains, inBand } from "./band.ts";
import type { Item } from "./item.ts";
import { type TickProblem, urgency, type WindowPlan } from "./problem.ts";
import { findBoxes } from "./singles.ts";

/** How sure the last missing execution must be to arrive in time before a window begins without it. */
const sureEnough = 0.8;
/** Boxes are swept a little narrower than the band: the average lies seldom in their middle. */
const sweepMargin = 0.004;
/** More than these, oldest first, are not swept. */
const mostSwept = 150;

/** A window of one execution a tick, all of nearly the same cost; undefined when the backlog has none. */
export function beginSingles(problem: TickProblem): WindowPlan | undefined {
  const { items, windowTicks, bandWidth, next } = problem;
  const pressing = ({ arrivedTick }: Item) => urgency(next - arrivedTick, problem, 0);
  let best: { readonly set: Item[]; readonly score: number } | undefined;
  for (const box of findBoxes(items.slice(0, mostSwept), bandWidth - sweepMargin, windowTicks - 1)) {
    if (box.length < windowTicks && best?.set.length === windowTicks) continue;
    const set = mostInBand(box, [], Math.min(box.length, windowTicks), bandWidth, pressing);
    if (!set || (set.length < windowTicks && chanceOfOneMore(set, problem) < sureEnough)) continue;
    const score = set.reduce((sum, item) => sum + pressing(item), 1000 * set.length);
    if (!best || score > best.score) best = { set, score };
  }
  if (!best) return undefined;
  const box = bandAround(averageOf(best.set.map(({ cost }) => cost)), bandWidth);
  let inside: Item[] = [];
  return {
    get wanted() {
      return new Set(inside);
    },
    next({ items: waiting, realised, position, next: now }) {
      inside = waiting.filter(({ cost }) => contains(box, cost));
      const pressing = ({ arrivedTick }: Item) => urgency(now - arrivedTick, problem, 0);
      for (let size = Math.min(inside.length, windowTicks - position); size > 0; size--) {
        const set = mostInBand(inside, realised, size, bandWidth, pressing);
        // What has not exceeded its budget yet goes first.
        if (set) return set.toSorted((a, b) => pressing(b) - pressing(a)).slice(0, 1);
      }
      return undefined;
    },
  };
}

/** The probability that something that fits arrives before the window's last tick, arrivals being Poisson. */
function chanceOfOneMore(set: readonly Item[], { bandWidth, streams, windowTicks }: TickProblem): number {
  const band = bandAround(averageOf(set.map(({ cost }) => cost)), 0.9 * bandWidth);
  let rate = 0;
  for (const stream of streams) if (contains(band, stream.cost)) rate += stream.rate;
  return 1 - Math.exp(-rate * (windowTicks - 2));
}

/** The `size` most pressing that are in band together with what has run, leaving out the farthest from the average one by one. */
function mostInBand(
  box: readonly Item[],
  realised: readonly (readonly number[])[],
  size: number,
  width: number,
  pressing: (item: Item) => number,
): Item[] | undefined {
  const left = box.toSorted((a, b) => pressing(b) - pressing(a));
  while (left.length >= size) {
    const set = left.slice(0, size);
    const usages = [...realised, ...set.map(({ cost }) => cost)];
    if (inBand(usages, width)) return set;
    const average = averageOf(usages);
    const distances = set.map(({ cost }) =>
      Math.max(...[0, 1, 2].map((r) => Math.abs((cost[r] ?? 0) / Math.max(1e-9, average[r] ?? 0) - 1))),
    );
    left.splice(distances.indexOf(Math.max(...distances)), 1);
  }
  return undefined;
}
