import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import type { Item } from "./item.ts";

export interface ExchangeProblem {
  /** The first `perTick * remainingTicks` are the plan to begin with, tick by tick. */
  readonly items: readonly Item[];
  /** Items that each of the window's remaining ticks shall hold. */
  readonly perTick: number;
  readonly remainingTicks: number;
  /** Usages of the window's ticks that have run: flat, three a tick. */
  readonly realised: readonly number[];
  readonly bandWidth: number;
  /** How many exchanges to try. */
  readonly tries: number;
  /** Excess by which an exchange may worsen the plan at first (simulated annealing, linear cooling). */
  readonly heatAtFirst: number;
  /** What arrived before this tick is not exchanged for what is left waiting. */
  readonly keepBefore: number;
  readonly inTime: () => boolean;
}

export interface ExchangePlan {
  /** Item indexes of each remaining tick. */
  readonly groups: readonly (readonly number[])[];
  /** Summed relative excess over the band; 0: the whole window is in band. */
  readonly excess: number;
}

/**
 * Groups of equal number for the ticks of a window with near-equal sums: begins with the oldest and exchanges single
 * executions while the summed excess over the band falls, or an older one comes in at no loss.
 */
export function exchange(problem: ExchangeProblem, random: RandomGenerator): ExchangePlan {
  const { items, perTick, remainingTicks, realised, bandWidth, tries, heatAtFirst, keepBefore, inTime } = problem;
  const used = perTick * remainingTicks;
  const count = items.length;
  const place = Int32Array.from({ length: count }, (_, index) => index);
  const ticks = realised.length / 3 + remainingTicks;
  const sums = new Float64Array(ticks * 3);
  sums.set(realised, remainingTicks * 3);
  const cost = Float64Array.from(items.flatMap((item) => [...item.cost]));
  const totals = new Float64Array(3);

  const excess = () => {
    let over = 0;
    for (let r = 0; r < 3; r++) {
      const average = Math.floor((totals[r] ?? 0) / ticks);
      const low = average * (1 - bandWidth);
      const high = average * (1 + bandWidth);
      for (let at = r; at < sums.length; at += 3) {
        const sum = sums[at] ?? 0;
        if (sum < low) over += (low - sum) / (average || 1);
        else if (sum > high) over += (sum - high) / (average || 1);
      }
    }
    return over;
  };
  const shift = (slot: number, item: number, sign: 1 | -1) => {
    const tick = Math.floor(slot / perTick);
    for (let r = 0; r < 3; r++) {
      const change = sign * (cost[item * 3 + r] ?? 0);
      sums[tick * 3 + r] = (sums[tick * 3 + r] ?? 0) + change;
      totals[r] = (totals[r] ?? 0) + change;
    }
  };
  const swap = (a: number, b: number) => {
    const [x, y] = [place[a] ?? 0, place[b] ?? 0];
    shift(a, x, -1);
    shift(a, y, 1);
    if (b < used) {
      shift(b, y, -1);
      shift(b, x, 1);
    }
    place[a] = y;
    place[b] = x;
  };

  for (let at = 0; at < realised.length; at++) totals[at % 3] = (totals[at % 3] ?? 0) + (realised[at] ?? 0);
  for (let slot = 0; slot < used; slot++) shift(slot, place[slot] ?? 0, 1);
  let current = excess();
  for (let done = 0; done < tries && count > 1; done++) {
    if (done % 256 === 255 && !inTime()) break;
    const a = uniformInt(random, 0, used - 1);
    const b = uniformInt(random, 0, count - 1);
    if (Math.floor(a / perTick) === Math.floor(b / perTick) && b < used) continue;
    const younger = b >= used && (items[place[b] ?? 0]?.arrivedTick ?? 0) >= (items[place[a] ?? 0]?.arrivedTick ?? 0);
    if (current === 0 && (younger || b < used)) continue;
    if (b >= used && (items[place[a] ?? 0]?.arrivedTick ?? 0) < keepBefore) continue;
    swap(a, b);
    const after = excess();
    const heat = heatAtFirst * (1 - done / tries);
    const accepted =
      after === 0 || current === 0
        ? after < current || (after === current && !younger)
        : after < current - heat * Math.log(uniformFloat64(random) + 1e-12);
    if (accepted) current = after;
    else swap(a, b);
  }
  const groups = Array.from({ length: remainingTicks }, (_, tick) =>
    Array.from(place.subarray(tick * perTick, (tick + 1) * perTick)),
  );
  return { groups, excess: current };
}
