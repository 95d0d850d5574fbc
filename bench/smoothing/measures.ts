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
  /** The most that could have fallen due in one tick after the next had the scheduler died, in mean ticks of the worst resource. */
  readonly burst: number;
  /** The dearest execution alone, in the same measure: no burst that holds one can be less. */
  readonly dearestExecution: number;
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
  const bursts = [0, 0, 0];
  const dearest = [0, 0, 0];
  let truth: ReturnType<Engine["truth"]> = new Map();

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
    /** What waits now, after it was placed. */
    notePlaced(): void {
      if (engine.tick < warmupTicks) return;
      // Asked for now and then: of many queries the map is large, and costs drift slowly.
      if (truth.size === 0 || engine.tick % 100 === 0) truth = engine.truth();
      const due = new Map<number, number[]>();
      for (const { queryId, tick } of engine.queued()) {
        if (tick <= engine.tick + 1) continue;
        const cost = truth.get(queryId) ?? [0, 0, 0];
        const sum = due.get(tick) ?? [0, 0, 0];
        due.set(
          tick,
          sum.map((usage, r) => usage + (cost[r] ?? 0)),
        );
        for (const [r, usage] of cost.entries()) dearest[r] = Math.max(dearest[r] ?? 0, usage);
      }
      for (const sum of due.values())
        for (const [r, usage] of sum.entries()) bursts[r] = Math.max(bursts[r] ?? 0, usage);
    },
    notePlanning(milliseconds: number): void {
      if (engine.tick >= warmupTicks) planning.push(milliseconds);
    },
    result(): Measures {
      const ages = Array.from(waiting.values(), (arrivedTick) => ((engine.tick - arrivedTick) * tickMs) / 1000);
      const all = delays.concat(ages);
      const means = usages.map((usage) => usage.reduce((sum, value) => sum + value, 0) / usage.length);
      const overMean = (usage: number, r: number) => (means[r] ? usage / means[r] : 0);
      const peaks = usages.map((usage, r) => overMean(quantile(usage, 0.99), r));
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
        burst: rounded(Math.max(...bursts.map(overMean)), 2),
        dearestExecution: rounded(Math.max(...dearest.map(overMean)), 2),
        planMsP50: rounded(quantile(planning, 0.5), 3),
        planMsP99: rounded(quantile(planning, 0.99), 3),
      };
    },
  };
}
