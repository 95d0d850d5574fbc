import { chooseSubset } from "./choose.ts";
import type { Item } from "./item.ts";
import { usedBetween } from "./profiles.ts";
import { startMs } from "./running.ts";

/** A second as it stands before the next tick's starts. Amounts in CPU ms. */
export interface SecondProblem {
  /** The next tick, its place in the second, and the second's length. */
  readonly next: number;
  readonly position: number;
  readonly windowTicks: number;
  readonly tickMs: number;
  /** What the whole second is to use. */
  readonly target: number;
  /** What each of its ticks uses without further starts. */
  readonly usage: readonly number[];
  /** What each tick of the second before used. */
  readonly previous: readonly number[];
  readonly budgetTicks: number;
  /** What may start, the oldest first. */
  readonly waiting: readonly Item[];
}

/** Planning looks at so many of the oldest. */
const mostConsidered = 120;
/** By how much the use within a second runs ahead of an even one (below zero: behind it), in ticks. */
const aheadTicks = -0.2;
/**
 * How far the use within a second follows that of the second before instead of an even one: a second that begins between
 * the two is level when both have the same shape.
 */
const likePrevious = 0.7;
/** Among what arrived together the lot counts as much as so many ticks of age. */
const lotTicks = 20;
/** ...and so much of it goes to being small: what waits longest is then few and large ones. */
const smallShare = 0.2;
/** What has used up so much of its budget goes before anything younger. */
const pressingShare = 0.9;
const pressing = 8;
/** What is too little can be made up for until the second's last tick, what is too much cannot. */
const overPrice = 3;

/**
 * What starts in the next tick. The subset of what waits that fills the second up to its target is chosen anew in each
 * tick, by what has been used so far; of it starts what a use like that of the second before asks for, and an even one,
 * long ones first, and in the last tick all of it: small ones are left to meet the target with.
 */
export function fillSecond(problem: SecondProblem): Item[] {
  const { next, position, windowTicks, tickMs, target, usage, budgetTicks } = problem;
  const gap = target - sum(usage);
  if (gap <= 0) return [];
  const leftMs = (windowTicks - position) * tickMs - startMs;
  const considered = problem.waiting.slice(0, mostConsidered);
  const largest = Math.max(...considered.map(({ profile }) => profile.workMs));
  const candidates = considered.map(({ profile, arrivedTick, lot }) => {
    const size = usedBetween(profile, 0, leftMs);
    const age = next - arrivedTick;
    const urgency = age > pressingShare * budgetTicks ? pressing : 1;
    return { size, value: size * urgency * (age + lotTicks * (lot + smallShare * (1 - profile.workMs / largest)) + 1) };
  });
  const last = position === windowTicks - 1;
  const plan = chooseSubset(candidates, gap, last ? 1 : overPrice).flatMap((at) => considered[at] ?? []);
  if (last) return plan;
  plan.sort((a, b) => b.profile.durationMs - a.profile.durationMs);
  const aim = target * shareBy(position, problem.previous, windowTicks);
  const starts: Item[] = [];
  let used = sum(usage.slice(0, position + 1));
  for (const item of plan) {
    const { durationMs } = item.profile;
    const uses = usedBetween(item.profile, 0, tickMs - startMs);
    const lastChance = durationMs <= leftMs && durationMs > leftMs - tickMs;
    if (used + uses / 2 > aim && !lastChance) continue;
    starts.push(item);
    used += uses;
  }
  return starts;
}

/** The share of a second's use that is to be used by the end of its tick `position`. */
function shareBy(position: number, previous: readonly number[], windowTicks: number): number {
  const even = Math.min(windowTicks, position + 1 + aheadTicks) / windowTicks;
  const total = sum(previous);
  if (total <= 0) return even;
  return likePrevious * (sum(previous.slice(0, position + 1)) / total) + (1 - likePrevious) * even;
}

function sum(values: readonly number[]): number {
  return values.reduce((so, value) => so + value, 0);
}
