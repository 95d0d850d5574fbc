/** Where executions run while their costs are learned: what placing them for the sake of learning gains, and what it costs. */
import type { Estimates } from "../../core/workload/estimator/estimator.ts";
import { defaultKnobs } from "../../core/workload/steering/knobs.ts";
import { createSteering } from "../../core/workload/steering/steering.ts";
import type { CostEstimate, Steering } from "../../core/workload/types.ts";
import type { Engine, Step } from "../../sim-server/database/engine.ts";
import { createMeasures, type Measures } from "../smoothing/measures.ts";
import { observationOf } from "../smoothing/observation.ts";

export interface PlacingOptions {
  /** Whether the planner has the windows, told costs each minute. */
  readonly steer: boolean;
  /** One window in so many runs an execution whose cost is unsure, and nothing else; 0: none does. */
  readonly show: number;
  /** Minutes before which none does. */
  readonly showAfter: number;
  readonly seed: number;
}

/** Since the second minute: the first is learned from without steering. */
export type Placed = Pick<Measures, "inBand" | "delayP50" | "delayP95"> & { readonly shown: number };

/** A standard deviation up to which a cost is sure: of an integer, and as a share of the cost. */
const sureTo = 0.3;
const sureShare = 0.005;

const isSure = ({ mean, sd }: CostEstimate) =>
  mean.every((cost, r) => (sd[r] ?? 0) <= Math.max(sureTo, sureShare * cost));

/** What runs alone in a window sets its greatest tick and its sum: both are then its cost. */
export function createPlacing(engine: Engine, { steer, show, showAfter, seed }: PlacingOptions) {
  const { tickMs, windowTicks, defaultDelayTicks } = engine.parameters;
  const firstShown = Math.round((60_000 * showAfter) / tickMs);
  const measures = createMeasures(engine, 60_000 / tickMs);
  const steering = steer ? createPlanner() : undefined;
  /** Queries that nothing is gained from showing before the next estimates. */
  let known = new Set<string>();
  let shownNow: string | undefined;
  let windowEnd = -1;
  let shown = 0;

  function createPlanner(): Steering {
    const clockwork = { tickMs, windowTicks, defaultDelayTicks };
    const planner = createSteering({ clockwork, knobs: defaultKnobs, api: "place", seed });
    planner.resume(-1, []);
    return planner;
  }

  /** Puts the rest of what would run in a window that is given to one execution off until that window is over. */
  function showOne(next: number): void {
    if (next >= firstShown && next % windowTicks === 0 && (next / windowTicks) % show === 0) {
      const one = engine.queued().find(({ queryId }) => !known.has(queryId));
      if (one) {
        known.add(one.queryId);
        shownNow = one.id;
        windowEnd = next + windowTicks - 1;
        shown++;
      }
    }
    if (next > windowEnd) return;
    const moved = engine.queued().flatMap(({ id, tick }) => {
      if (id === shownNow) return [{ id, tick: engine.place(id, next) }];
      return tick > windowEnd ? [] : [{ id, tick: engine.place(id, windowEnd + 1) }];
    });
    steering?.settle(moved);
  }

  return {
    after(step: Step): void {
      measures.note(step);
      steering?.observe(observationOf(step));
      for (const { id, tick } of steering?.plan(() => 0) ?? []) engine.place(id, tick);
      if (show > 0) showOne(step.tick + 1);
    },
    estimated({ costs, prior }: Estimates): void {
      steering?.setCosts(costs, prior);
      known = new Set(Array.from(costs).flatMap(([queryId, estimate]) => (isSure(estimate) ? [queryId] : [])));
    },
    result(): Placed {
      const { inBand, delayP50, delayP95 } = measures.result();
      return { inBand, delayP50, delayP95, shown };
    },
  };
}
