/** What is known of costs as such: none is negative, and they may all be integers. */
import { type Belief, type Factors, settle } from "./belief.ts";
import { density, Mixture, type Moments, truncate } from "./normal.ts";

// Looked up once: through the global object it costs more than the arithmetic where modules run in a vm context.
const math = Math;

/**
 * Power to which a belief is raised before the nearest integers are weighed by it: at full weight, one that is a little
 * too sure locks onto a wrong integer, from which nothing brings it back.
 */
const trusted = 0.3;

/** Factors that keep each column from falling below zero and, if costs are integers, draw it to those near it. */
export function readCosts(belief: Belief, costs: Factors, integer: boolean, step: number): void {
  const mixture = new Mixture();
  const part: Moments = { mass: 0, mean: 0, variance: 0 };
  for (let q = 0; q < belief.mean.length; q++) {
    const v = belief.variance[q] ?? 1;
    const precision = 1 / v - (costs.precision[q] ?? 0);
    if (!(precision > 1e-12)) continue;
    const m = ((belief.mean[q] ?? 0) / v - (costs.shift[q] ?? 0)) / precision;
    const sd = 1 / math.sqrt(precision);
    if (integer && precision > 0.7) {
      const nearest = math.max(0, math.round(m));
      const reach = math.ceil(5 * sd);
      mixture.reset(m);
      for (let x = math.max(0, nearest - reach); x <= nearest + reach; x++)
        mixture.add(math.exp(-0.5 * trusted * precision * ((x - m) ** 2 - (nearest - m) ** 2)), x, 1e-3);
      mixture.into(part);
    } else if (m < 4 * sd) {
      truncate(m, sd, 0, Number.POSITIVE_INFINITY, part);
    } else {
      part.mean = m;
      part.variance = sd * sd;
    }
    settle(costs, q, m, sd * sd, part, step);
  }
}

/**
 * Log odds that the costs are integers and not any reals, from how near to integers the well-known ones lie; none while
 * fewer than a tenth are well known, as those may be known wrongly.
 */
export function integrality({ belief, costs }: { readonly belief: Belief; readonly costs: Factors }): number {
  let odds = 0;
  let known = 0;
  for (let q = 0; q < belief.mean.length; q++) {
    const v = belief.variance[q] ?? 1;
    const precision = 1 / v - (costs.precision[q] ?? 0);
    if (precision < 4) continue;
    known++;
    const m = ((belief.mean[q] ?? 0) / v - (costs.shift[q] ?? 0)) / precision;
    const sd = math.sqrt(1 / precision + 1e-3);
    const away = m - math.round(m);
    let near = 0;
    for (let i = -2; i <= 2; i++) near += density((away + i) / sd) / sd;
    odds += math.max(math.log(near + 1e-9), -7);
  }
  return known * 10 < belief.mean.length ? 0 : odds;
}
