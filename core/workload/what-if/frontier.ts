import type { SteeringApi } from "../types.ts";
import type { Recording } from "./recording.ts";
import { type PolicyName, type Progress, type ReplayOptions, replay } from "./replay.ts";
import type { Measures } from "./tally.ts";

/** What one policy with one set of knobs makes of the traffic. */
export interface FrontierPoint {
  readonly policy: PolicyName;
  readonly api: SteeringApi;
  /** Null for policies that have no budget. */
  readonly latencyP95Seconds: number | null;
  /** The knob; null where nothing is bounded by it. */
  readonly burst: number | null;
  readonly measures: Measures;
}

export interface FrontierOptions extends Omit<ReplayOptions, "policy" | "api"> {
  /** Latency budgets, in seconds. */
  readonly budgets: readonly number[];
  readonly apis: readonly SteeringApi[];
  /** Bursts for api `delay`, in mean ticks. */
  readonly bursts: readonly number[];
}

/** Budgets within which 22 to 270 executions arrive, which is where levelling begins and ends to pay, and `today`'s. In seconds. */
export function budgetsFor({ arrivals, clockwork, ticks }: Recording, today: number): number[] {
  const rate = arrivals.length / ((ticks * clockwork.tickMs) / 1_000);
  const budgets = [22, 45, 60, 90, 135, 180, 270].map((count) => Number((count / rate).toPrecision(2)));
  return [...new Set([...budgets, today])].sort((a, b) => a - b);
}

/** Share in band against delay, over budgets and ways to act, with what `none` and `fifo` make of the same traffic. */
export function* frontier(options: FrontierOptions): Progress<FrontierPoint[]> {
  const wanted: Omit<FrontierPoint, "measures">[] = [
    { policy: "none", api: "place", latencyP95Seconds: null, burst: null },
    { policy: "fifo", api: "place", latencyP95Seconds: null, burst: null },
  ];
  for (const api of options.apis) {
    for (const burst of api === "place" ? [null] : options.bursts) {
      for (const latencyP95Seconds of options.budgets)
        wanted.push({ policy: "planner", api, latencyP95Seconds, burst });
    }
  }
  const points: FrontierPoint[] = [];
  for (const [index, want] of wanted.entries()) {
    const knobs = {
      ...options.knobs,
      latencyP95Seconds: want.latencyP95Seconds ?? options.knobs.latencyP95Seconds,
      burst: want.burst ?? options.knobs.burst,
    };
    const work = replay({ ...options, policy: want.policy, api: want.api, knobs });
    let step = work.next();
    while (!step.done) {
      yield (index + step.value) / wanted.length;
      step = work.next();
    }
    points.push({ ...want, measures: step.value });
  }
  return points;
}

/**
 * The smallest budget that kept what it promised: at most 5% of executions waited longer, which is what a 95th percentile says.
 * Null when none did.
 */
export function smallestFeasibleBudget(points: readonly FrontierPoint[], tolerance = 1.05): number | null {
  const kept = points.flatMap(({ latencyP95Seconds, measures }) =>
    latencyP95Seconds !== null && (measures.delayP95 ?? 0) <= latencyP95Seconds * tolerance ? [latencyP95Seconds] : [],
  );
  return kept.length === 0 ? null : Math.min(...kept);
}
