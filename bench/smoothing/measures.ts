import { judgeWindow } from "../../core/workload/measures.ts";
import type { Engine, Step } from "../../sim-server/database/engine.ts";
import { quantile, rounded } from "./options.ts";

/** The keys and their meaning: docs/planning.md. Delays in seconds, planning in ms, shares of windows. */
export interface Measures {
  readonly windows: number;
  readonly inBand: number;
  readonly idleShare: number;
  readonly deviationP95: number;
  readonly arrived: number;
  readonly executed: number;
  readonly waitingEnd: number;
  readonly delayP50: number;
  readonly delayP95: number;
  readonly delayP99: number;
  readonly delayMax: number;
  readonly peakToMean: number;
  readonly planMsP50: number;
  readonly planMsP99: number;
}

/** Collects what the design measures, as the server reports it, from `warmupTicks` on. */
export function createMeasures(engine: Engine, warmupTicks: number) {
  const { tickMs } = engine.parameters;
  const waiting = new Map<string, number>();
  const delays: number[] = [];
  const usages: number[][] = [[], [], []];
  const planning: number[] = [];
  const deviations: number[] = [];
  let [inBand, idle, arrived, executed] = [0, 0, 0, 0];
  let waitedInWindow = false;

  return {
    note(step: Step): void {
      waitedInWindow ||= waiting.size > 0;
      for (const { id, arrivedTick } of step.arrived) waiting.set(id, arrivedTick);
      for (const { id } of step.executed) waiting.delete(id);
      const measured = step.tick >= warmupTicks;
      if (measured) {
        arrived += step.arrived.length;
        executed += step.executed.length;
        for (const { arrivedTick } of step.executed) delays.push(((step.tick - arrivedTick) * tickMs) / 1000);
        for (const [resource, usage] of engine.lastUsage().entries()) usages[resource]?.push(usage);
      }
      const { window } = step;
      if (!window) return;
      if (window.firstTick >= warmupTicks) {
        const ran = window.ticks.reduce((sum, tick) => sum + tick.length, 0);
        const judgement = judgeWindow(window, ran, waitedInWindow);
        if (judgement.inBand) inBand++;
        if (judgement.idle) idle++;
        deviations.push(judgement.deviation);
      }
      waitedInWindow = false;
    },
    notePlanning(milliseconds: number): void {
      if (engine.tick >= warmupTicks) planning.push(milliseconds);
    },
    result(): Measures {
      const ages = Array.from(waiting.values(), (arrivedTick) => ((engine.tick - arrivedTick) * tickMs) / 1000);
      const all = delays.concat(ages);
      const peaks = usages.map((usage) => {
        const mean = usage.reduce((sum, value) => sum + value, 0) / usage.length;
        return mean === 0 ? 0 : quantile(usage, 0.99) / mean;
      });
      return {
        windows: deviations.length,
        inBand: rounded(inBand / Math.max(1, deviations.length), 4),
        idleShare: rounded(idle / Math.max(1, deviations.length), 4),
        deviationP95: rounded(quantile(deviations, 0.95), 3),
        arrived,
        executed,
        waitingEnd: waiting.size,
        delayP50: rounded(quantile(all, 0.5), 2),
        delayP95: rounded(quantile(all, 0.95), 2),
        delayP99: rounded(quantile(all, 0.99), 2),
        delayMax: rounded(quantile(all, 1), 2),
        peakToMean: rounded(Math.max(...peaks), 3),
        planMsP50: rounded(quantile(planning, 0.5), 3),
        planMsP99: rounded(quantile(planning, 0.99), 3),
      };
    },
  };
}
