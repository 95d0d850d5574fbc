import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { averageOf, type Box, bandAround } from "./band.ts";
import { type Item, sumOf } from "./item.ts";
import type { PairPlan } from "./pairs.ts";
import type { TickProblem } from "./problem.ts";

const samples = 40;
/** Pairs to come are looked for in a box a little narrower than the band, since the average will move. */
const narrower = 0.97;
const mostInATick = 20;

/**
 * The share of sampled futures in which what arrives completes a window that begins with fewer pairs than ticks: in
 * each, every query arrives as often as it did lately (Poisson), and each execution pairs with the first that fits.
 * @param rest what waits beside the pairs
 */
export function chanceOfCompletion(
  { pairs }: PairPlan,
  rest: readonly Item[],
  problem: TickProblem,
  random: RandomGenerator,
): number {
  const { streams, windowTicks, bandWidth, arrivalRate } = problem;
  const box = bandAround(averageOf(pairs.map(sumOf)), narrower * bandWidth);
  const total = streams.reduce((sum, { rate }) => sum + rate, 0);
  const arrival = (): readonly number[] | undefined => {
    let left = uniformFloat64(random) * total;
    return streams.find(({ rate }) => {
      left -= rate;
      return left <= 0;
    })?.cost;
  };
  let completed = 0;
  for (let sample = 0; sample < samples; sample++) {
    const free: (readonly number[])[] = rest.map(({ cost }) => cost);
    let made = pairs.length;
    let ran = 1;
    for (; ran < windowTicks && made < windowTicks; ran++) {
      for (let count = poisson(arrivalRate, random); count > 0; count--) {
        const cost = arrival();
        const partner = cost ? free.findIndex((other) => pairFits(box, cost, other)) : -1;
        if (partner >= 0) {
          free.splice(partner, 1);
          made++;
        } else if (cost) free.push(cost);
      }
      if (made <= ran) break;
    }
    if (made >= windowTicks || ran >= windowTicks) completed++;
  }
  return completed / samples;
}

function pairFits({ low, high }: Box, a: readonly number[], b: readonly number[]): boolean {
  for (let r = 0; r < 3; r++) {
    const sum = (a[r] ?? 0) + (b[r] ?? 0);
    if (sum < (low[r] ?? 0) || sum > (high[r] ?? 0)) return false;
  }
  return true;
}

function poisson(mean: number, random: RandomGenerator): number {
  let left = uniformFloat64(random);
  let chance = Math.exp(-mean);
  let count = 0;
  for (left -= chance; left > 0 && count < mostInATick; left -= chance) chance *= mean / ++count;
  return count;
}
