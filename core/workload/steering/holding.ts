import { catalogue, type StreamBox } from "./catalogue.ts";
import type { Item } from "./item.ts";
import { isLongLate, type TickProblem } from "./problem.ts";

const renewedEveryTicks = 300;
const mostInCatalogue = 400;
const boxMargin = 0.01;
/** The price of an execution's waiting for one tick, in windows gained. */
const waitPrice = 0.0002;
/** The price of an execution that exceeds its budget: with no credit left, and with this much. */
const latePrice = 0.3;
const latePriceWithCredit = 0.03;
const fullCredit = 1000;
/** What each execution of debt adds to it. */
const debtPrice = 0.01;
/** A box's prospects count what will arrive within so many ticks. */
const prospectTicks = 20;
/** Ticks from a box's completion until its executions have run, on average. */
const untilRun = 5;
/** Boxes are worth their full price where so many windows are gaps. */
const manyGaps = 0.05;

/**
 * Chooses what to keep back for windows of single executions: members of the few boxes of like costs whose completion
 * costs least. A box of `n` waiting and `r` arriving per tick completes in `(W - n) / r` ticks and costs until then
 * `(W^2 - n^2) / 2r` execution-ticks of waiting; those that will exceed their budget meanwhile cost extra.
 */
export class Holding {
  #catalogue: readonly StreamBox[] = [];
  #until = Number.NEGATIVE_INFINITY;
  readonly #prospects = new Map<string, number>();

  /** Of each query in the catalogue, when `choose` was called: how full its fullest box soon is, 0 to 1. */
  get prospects(): ReadonlyMap<string, number> {
    return this.#prospects;
  }

  /** @param gapShare of recent windows: where no gaps are left, singles gain nothing */
  choose(problem: TickProblem, gapShare: number): Set<Item> {
    const { next, streams, bandWidth, arrivalRate } = problem;
    if (next >= this.#until) {
      this.#catalogue = catalogue(streams, bandWidth - boxMargin, mostInCatalogue);
      this.#until = next + renewedEveryTicks;
    }
    const held = new Set<Item>();
    const taken = new Set<string>();
    const waiting = byQuery(problem);
    this.#judge(problem);
    const most = Math.min(1, gapShare / manyGaps);
    // As many executions as windows of singles can use: with `l` arrivals a tick, a share of 2 - l of all windows.
    for (let rate = 0; rate < 2 - arrivalRate; ) {
      const best = this.#cheapest(waiting, taken, problem, most);
      if (!best) break;
      for (const item of best.members) held.add(item);
      for (const { queryId } of best.box.members) taken.add(queryId);
      rate += best.rate;
    }
    return held;
  }

  #judge({ items, windowTicks }: TickProblem): void {
    const counts = new Map<string, number>();
    for (const { queryId } of items) counts.set(queryId, (counts.get(queryId) ?? 0) + 1);
    this.#prospects.clear();
    for (const { members, rate } of this.#catalogue) {
      const count = members.reduce((sum, { queryId }) => sum + (counts.get(queryId) ?? 0), 0);
      const full = Math.min(1, (count + rate * prospectTicks) / windowTicks);
      for (const { queryId } of members)
        if ((this.#prospects.get(queryId) ?? 0) < full) this.#prospects.set(queryId, full);
    }
  }

  #cheapest(
    waiting: ReadonlyMap<string, readonly Item[]>,
    taken: ReadonlySet<string>,
    problem: TickProblem,
    most: number,
  ) {
    let best: { box: StreamBox; members: Item[]; rate: number; cost: number } | undefined;
    for (const box of this.#catalogue) {
      let rate = 0;
      const members: Item[] = [];
      for (const { queryId, rate: each } of box.members) {
        if (taken.has(queryId)) continue;
        rate += each;
        for (const item of waiting.get(queryId) ?? []) members.push(item);
      }
      if (rate <= 0) continue;
      const cost = costOfHolding(members, rate, problem);
      if (cost < (best?.cost ?? most)) best = { box, members, rate, cost };
    }
    return best;
  }
}

function byQuery({ items, next, budgetTicks }: TickProblem): Map<string, Item[]> {
  const waiting = new Map<string, Item[]>();
  for (const item of items) {
    if (isLongLate(next - item.arrivedTick, budgetTicks)) continue;
    const same = waiting.get(item.queryId);
    if (same) same.push(item);
    else waiting.set(item.queryId, [item]);
  }
  return waiting;
}

/** In windows gained: above 1, holding costs more than a window of singles brings. */
function costOfHolding(members: readonly Item[], rate: number, problem: TickProblem): number {
  const { next, windowTicks, budgetTicks, credit } = problem;
  const count = Math.min(members.length, windowTicks - 0.5);
  const wait = (windowTicks - count) / rate + untilRun;
  let late = rate * Math.max(0, wait - budgetTicks);
  for (const { arrivedTick } of members) {
    const age = next - arrivedTick;
    if (age <= budgetTicks && age + wait > budgetTicks) late++;
  }
  const saved = Math.max(0, Math.min(1, credit / fullCredit));
  const price = latePrice + (latePriceWithCredit - latePrice) * saved + debtPrice * Math.max(0, -credit);
  return (waitPrice * (windowTicks ** 2 - count ** 2)) / (2 * rate) + price * late;
}
