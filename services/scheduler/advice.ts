import { promiseOf } from "../../core/workload/pacing/floor.ts";
import type { Clockwork, Knobs, SteeringStatus } from "../../core/workload/types.ts";
import type { KnobsChange } from "../../platform/scheduler-status.ts";

/** The smallest budget that the planner keeps is that in which so many executions arrive (docs/what-if.md). */
const arrivalsToChooseFrom = 60;
/** Below this share of it, a budget is out of reach. */
const tolerance = 0.75;

/**
 * In one line, why a latency budget is out of reach, and the smallest that is not; null when it is within reach or too little
 * has run to tell.
 * @param perSecond executions per second, of the last minutes; undefined when nothing ran
 */
export function budgetAdvice(
  { latencyP95Seconds }: Knobs,
  { tickMs, defaultDelayTicks }: Clockwork,
  perSecond: number | undefined,
): string | null {
  const ownSeconds = (Math.max(1, defaultDelayTicks) * tickMs) / 1_000;
  const least = Math.max(ownSeconds + tickMs / 1_000, perSecond ? arrivalsToChooseFrom / perSecond : 0);
  const advised = `the smallest feasible is about ${Number(least.toPrecision(2))} s`;
  if (latencyP95Seconds <= ownSeconds)
    return `a budget of ${latencyP95Seconds} s is out of reach, as the server itself delays by ${ownSeconds} s: ${advised}`;
  if (perSecond && latencyP95Seconds < tolerance * least)
    return `a budget of ${latencyP95Seconds} s is out of reach at ${perSecond.toFixed(1)} executions a second: ${advised} ('evenkeel frontier' tries them)`;
  return null;
}

/** No band is promised that executions which cannot be split do not allow: the nearest that can be kept is. */
export class BandPromise {
  /** A narrower band than can be kept that was asked for last. */
  #wish: { promised: number; why: string } | undefined;

  /** The change as it is made. @param floor the narrowest band that can be kept, where one is known */
  made(change: KnobsChange, floor: SteeringStatus["floor"]): KnobsChange {
    const { bandWidth: wished } = change;
    if (wished === undefined) return change;
    const { width, why } = promiseOf(floor, wished);
    this.#wish = why === null ? undefined : { promised: width, why };
    return { ...change, bandWidth: width };
  }

  /** Null unless the promise made in a wish's place is in force. */
  advice(bandWidth: number): string | null {
    if (!this.#wish || this.#wish.promised !== bandWidth) return null;
    return this.#wish.why;
  }
}
