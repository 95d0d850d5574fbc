import { catalogue, type StreamBox } from "./catalogue.ts";
import type { Item } from "./item.ts";
import type { TickProblem } from "./problem.ts";

const renewedEveryTicks = 300;
const mostInCatalogue = 400;
const boxMargin = 0.01;
/** A box more is held for each so many arrivals within the budget: further ones complete too late. */
const arrivalsPerBox = 45;
/** The price of an execution's waiting for one tick, and of one that exceeds its budget, in windows gained. */
const waitPrice = 0.0015;
const latePrice = 0.2;
/** What has waited for so many budgets is not held any longer. */
const longestHeld = 1.5;
/** From so many arrivals a tick on, windows of pairs use all time slots: none is left for singles. */
const slotsUntil = 1.85;
const slotShare = 1.5;

/**
 * Chooses what to keep back for windows of single executions: members of the few boxes of like costs whose completion
 * costs least. A box of `n` waiting and `r` arriving per tick completes in `(W - n) / r` ticks and costs until then
 * `(W^2 - n^2) / 2r` execution-ticks of waiting; those that will exceed their budget meanwhile cost extra.
 */
export class Holding {
  #catalogue: readonly StreamBox[] = [];
  #until = Number.NEGATIVE_INFINITY;

  choose(problem: TickProblem): Set<Item> {
    const { next, windowTicks, streams, bandWidth, arrivalRate, budgetTicks } = problem;
    if (next >= this.#until) {
      this.#catalogue = catalogue(streams, bandWidth - boxMargin, mostInCatalogue);
      this.#until = next + renewedEveryTicks;
    }
    const held = new Set<Item>();
    const taken = new Set<string>();
    const waiting = byQuery(problem);
    const mostBoxes = Math.round((arrivalRate * budgetTicks) / arrivalsPerBox);
    let rate = 0;
    for (let turn = 0; turn < mostBoxes && rate / windowTicks < slotShare * (slotsUntil - arrivalRate); turn++) {
      const best = this.#cheapest(waiting, taken, problem);
      if (!best) break;
      for (const item of best.members) held.add(item);
      for (const { queryId } of best.box.members) taken.add(queryId);
      rate += best.rate;
    }
    return held;
  }

  #cheapest(waiting: ReadonlyMap<string, readonly Item[]>, taken: ReadonlySet<string>, problem: TickProblem) {
    let best: { box: StreamBox; members: Item[]; rate: number; cost: number } | undefined;
    for (const box of this.#catalogue) {
      let rate = 0;
      const members: Item[] = [];
      for (const { queryId, rate: each } of box.members) {
        if (taken.has(queryId)) continue;
        rate += each;
        members.push(...(waiting.get(queryId) ?? []));
      }
      if (rate <= 0) continue;
      const cost = costOfHolding(members, rate, problem);
      if (cost < (best?.cost ?? 1)) best = { box, members, rate, cost };
    }
    return best;
  }
}

function byQuery({ items, next, budgetTicks }: TickProblem): Map<string, Item[]> {
  const waiting = new Map<string, Item[]>();
  for (const item of items) {
    if (next - item.arrivedTick > longestHeld * budgetTicks) continue;
    const same = waiting.get(item.queryId);
    if (same) same.push(item);
    else waiting.set(item.queryId, [item]);
  }
  return waiting;
}

/** In windows gained: above 1, holding costs more than a window of singles brings. */
function costOfHolding(
  members: readonly Item[],
  rate: number,
  { next, windowTicks, budgetTicks }: TickProblem,
): number {
  const count = Math.min(members.length, windowTicks - 0.5);
  const wait = (windowTicks - count) / rate;
  let late = rate * Math.max(0, wait - budgetTicks);
  for (const { arrivedTick } of members) {
    const age = next - arrivedTick;
    if (age <= budgetTicks && age + wait > budgetTicks) late++;
  }
  return (waitPrice * (windowTicks ** 2 - count ** 2)) / (2 * rate) + latePrice * late;
}
