/** What is known of costs as such: none is negative, and they may all be integers. */
import { type Belief, type Factors, settle } from "./belief.ts";
import { type Equations, windowsOf } from "./equations.ts";
import { Mixture, type Moments, truncate } from "./normal.ts";
import type { Propagation } from "./propagation.ts";
import type { Bounds } from "./statements.ts";

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

/** Log odds at which costs are taken for integers, and at which nothing more is asked. */
const sureOdds = 6;
const enoughOdds = 16;
/** Costs of a resource, and windows of each, that are asked. */
const mostAsked = 300;
const mostWindows = 40;
/** Sd up to which a cost can tell, and the share of the costs that must: the first few may be known wrongly. */
const tellingSd = 0.5;
const leastTelling = 0.1;
/** Points at which a cost is tried: the middles of the fifths of three units around the nearest integer, no rounding's bound. */
const pointsPerUnit = 5;
const tried = 3 * pointsPerUnit;
/** What one cost may say at the most against integers. */
const mostAgainst = -7;
/** Variance of what is rounded to one integer. */
const rounded = 1 / 12;

/**
 * Whether the costs are integers and not any reals: the log odds are the sum over costs of the log of their density at
 * integers to that everywhere. A density is that of the exact statements of the cost's windows, all other costs being
 * known no better than a rounded sum tells: in a belief from round sums, costs look rounder than is known.
 */
export function areIntegers(
  { equations, bounds }: { readonly equations: Equations; readonly bounds: Bounds },
  propagations: readonly Propagation[],
): boolean {
  let odds = 0;
  for (const propagation of propagations) {
    const nearest = tellingCosts(propagation);
    const windows = windowsOf(equations, bounds.candidate, (q) => nearest.has(q));
    const { assumptions } = propagation;
    const { integer } = assumptions;
    assumptions.integer = false;
    for (const [q, own] of windows) {
      odds += oddsOf(propagation, q, nearest.get(q) ?? 0, own.slice(-mostWindows));
      if (math.abs(odds) > enoughOdds) break;
    }
    assumptions.integer = integer;
  }
  return odds > sureOdds;
}

/** Costs that are known well enough to tell, with the nearest integer. */
function tellingCosts({ belief, costs }: Propagation): ReadonlyMap<number, number> {
  const nearest = new Map<number, number>();
  for (let q = 0; q < belief.mean.length; q++) {
    const v = belief.variance[q] ?? 1;
    const precision = 1 / v - (costs.precision[q] ?? 0);
    if (precision * tellingSd ** 2 < 1) continue;
    nearest.set(q, math.round(((belief.mean[q] ?? 0) / v - (costs.shift[q] ?? 0)) / precision));
  }
  if (nearest.size < leastTelling * belief.mean.length) return new Map();
  const step = math.ceil(nearest.size / mostAsked);
  return new Map([...nearest].filter((_, i) => i % step === 0));
}

function oddsOf(propagation: Propagation, q: number, nearest: number, windows: readonly number[]): number {
  const values = Float64Array.from({ length: tried }, (_, i) => nearest + (i - (tried - 1) / 2) / pointsPerUnit);
  const log = new Float64Array(tried);
  for (const w of windows) propagation.statements.addFits(w, q, values, log, rounded);
  const top = log.reduce((a, b) => math.max(a, b));
  let all = 0;
  let whole = 0;
  log.forEach((l, i) => {
    all += math.exp(l - top);
    if (i % pointsPerUnit === (pointsPerUnit - 1) / 2) whole += math.exp(l - top);
  });
  return math.max(math.log((pointsPerUnit * whole) / all), mostAgainst);
}
