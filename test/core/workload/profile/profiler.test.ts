import { describe, expect, it } from "@jest/globals";
import { createGate } from "../../../../bench/pacing/gates.ts";
import { type Load, loadOf } from "../../../../bench/pacing/loads.ts";
import { SpreadWorld } from "../../../../bench/pacing/world.ts";
import { createEstimator, type Estimates } from "../../../../core/workload/estimator/estimator.ts";
import { EstimatorStateError } from "../../../../core/workload/estimator/state.ts";
import { createLearner, restoreLearner } from "../../../../core/workload/profile/learner.ts";
import { createProfiler, restoreProfiler } from "../../../../core/workload/profile/profiler.ts";
import type { WindowObservation } from "../../../../core/workload/types.ts";
import { traffic } from "../estimator/traffic.ts";

/** Windows of `seconds` of a load, as its gate paces it. */
function observed(load: Load, gate: "none" | "tokens", seconds: number): WindowObservation[] {
  const world = new SpreadWorld({ load, seed: 5, cores: 2, answerMs: 12, deferTicks: 200 });
  world.run(
    seconds,
    createGate(gate, load, "true", () => []),
  );
  return world.windows.filter(({ active = [] }) => active.every(({ durationMs }) => durationMs !== null));
}

/** The mean relative error of CPU costs, weighed by load, and of durations. */
function errorOf(load: Load, { costs }: Estimates): { cpu: number; duration: number } {
  let [all, cpu, duration] = [0, 0, 0];
  for (const { id, work, cpuShare, perBurst } of load.queries) {
    const cost = costs.get(id);
    if (!cost) throw new Error(`nothing was learned of ${id}`);
    const weight = perBurst * work[0];
    all += weight;
    cpu += (weight * Math.abs(cost.mean[0] - work[0])) / work[0];
    duration += (weight * Math.abs((cost.durationMs ?? 0) - work[0] / cpuShare)) / (work[0] / cpuShare);
  }
  return { cpu: cpu / all, duration: duration / all };
}

const heavy = loadOf("heavy", 5);
const paced = observed(heavy, "tokens", 120);

function learned(windows: readonly WindowObservation[]): Estimates {
  const profiler = createProfiler();
  profiler.observe(windows);
  return profiler.estimate();
}

describe("profiles of executions that last", () => {
  it("are learned within two minutes", () => {
    const { cpu, duration } = errorOf(heavy, learned(paced));
    expect(cpu).toBeLessThan(0.08);
    expect(duration).toBeLessThan(0.15);
  });

  it("are learned from bursts in which all stand in each other's way, too", () => {
    const { cpu, duration } = errorOf(heavy, learned(observed(heavy, "none", 60)));
    expect(cpu).toBeLessThan(0.25);
    expect(duration).toBeLessThan(0.15);
  });

  it("would be far off if usage belonged to other ticks", () => {
    const shifted = paced.map((window, at) => ({
      ...window,
      usage: paced[(at + 7) % paced.length]?.usage ?? { cpu: [], io: [], memory: [] },
    }));
    expect(errorOf(heavy, learned(shifted)).cpu).toBeGreaterThan(0.08);
  });

  it("come with standard deviations that fit their errors", () => {
    const { costs } = learned(paced);
    const squares = heavy.queries.map(({ id, work }) => {
      const { mean, sd } = costs.get(id) ?? { mean: [0], sd: [1] };
      return ((mean[0] - work[0]) / (sd[0] ?? 1)) ** 2;
    });
    const spread = Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
    expect(spread).toBeGreaterThan(0.5);
    expect(spread).toBeLessThan(2);
  });

  describe("of queries of seconds beside short ones", () => {
    const long = loadOf("long", 5);
    const windows = observed(long, "tokens", 80);
    const longest = (estimates: Estimates) => estimates.costs.get("long-3000")?.mean[0] ?? 0;

    it("are learned whole, though windows cut them", () => {
      const estimates = learned(windows);
      expect(errorOf(long, estimates).cpu).toBeLessThan(0.2);
      expect(Math.abs(longest(estimates) - 3_000)).toBeLessThan(600);
    });

    it("would be far too cheap if a window's part were taken for all of it", () => {
      const parts = windows.map((window) => ({
        ...window,
        active: (window.active ?? []).map((one) => ({ ...one, durationMs: one.to - one.from })),
      }));
      expect(longest(learned(parts))).toBeLessThan(1_500);
    });
  });

  it("are the same where executions are told together as where each is told alone", () => {
    const some = paced.slice(0, 30);
    const twice = (together: boolean) =>
      some.map((window) => ({
        ...window,
        ticks: window.ticks.map((ran) => [...ran, ...ran]),
        active: (window.active ?? []).flatMap((one) => (together ? [{ ...one, times: 2 }] : [one, one])),
        usage: {
          cpu: (window.usage?.cpu ?? []).map((cpu) => 2 * cpu),
          io: Array(10).fill(0),
          memory: Array(10).fill(0),
        },
      }));
    const [together, alone] = [learned(twice(true)), learned(twice(false))];
    for (const [id, { mean, durationMs = 0 }] of alone.costs) {
      expect(together.costs.get(id)?.mean[0]).toBeCloseTo(mean[0], 3);
      expect(together.costs.get(id)?.durationMs).toBeCloseTo(durationMs, 3);
    }
  });

  it("follow a cost that changes", () => {
    const [changing] = heavy.queries;
    if (!changing) throw new Error("no queries");
    const dearer: Load = {
      ...heavy,
      queries: heavy.queries.map((query) =>
        query === changing ? { ...query, work: [2 * query.work[0], 0, 0] as const } : query,
      ),
    };
    const moved = (windows: readonly WindowObservation[], name: string, ms: number) =>
      windows.map((window) => ({ ...window, key: `${name} ${window.key}`, endedAt: window.endedAt + ms }));
    const before = [...paced, ...moved(paced, "again", 120_000)];
    const after = moved(observed(dearer, "tokens", 130), "after", 240_000);
    const profiler = createProfiler();
    profiler.observe(before);
    const first = profiler.estimate().costs.get(changing.id)?.mean[0] ?? 0;
    profiler.observe(after);
    const { costs, quality } = profiler.estimate();
    expect((costs.get(changing.id)?.mean[0] ?? 0) / first).toBeGreaterThan(1.7);
    expect(quality.changedQueries).toBeGreaterThan(0);
  });

  it("are the same after a restart, and windows that come again change nothing", () => {
    const profiler = createProfiler();
    expect(profiler.observe(paced.slice(0, 60)).accepted).toBe(60);
    const again = restoreProfiler(profiler.save());
    expect(again.observe(paced.slice(50, 60))).toEqual({ accepted: 0, rejected: { duplicate: 10 } });
    for (const one of [profiler, again]) one.observe(paced.slice(60));
    for (const [id, { mean, durationMs = 0 }] of profiler.estimate().costs) {
      const other = again.estimate().costs.get(id);
      expect(other?.mean[0]).toBeCloseTo(mean[0], 1);
      expect(other?.durationMs).toBeCloseTo(durationMs, 2);
    }
  });

  it("are kept in a state that does not grow, and what has left it still counts", () => {
    const profiler = createProfiler();
    const copies = Array.from({ length: 14 }, (_, copy) =>
      paced.map((window) => ({ ...window, key: `${copy} ${window.key}`, endedAt: window.endedAt + copy * 120_000 })),
    );
    for (const copy of copies) profiler.observe(copy);
    profiler.estimate();
    const bytes = profiler.save().length;
    expect(bytes).toBeLessThan(12 * createSized(paced));
    expect(profiler.observe(copies[0] ?? []).rejected).toEqual({ "too-late": paced.length });
    expect(errorOf(heavy, profiler.estimate()).cpu).toBeLessThan(0.08);
  });

  it.each([
    ["no-durations", { active: undefined }],
    ["no-usage", { usage: undefined }],
    ["no-usage", { tickMs: 0 }],
    ["no-usage", { usage: { cpu: [1], io: [1], memory: [1] } }],
    ["absurd", { usage: { cpu: Array(10).fill(Number.NaN), io: Array(10).fill(0), memory: Array(10).fill(0) } }],
    ["bad-duration", { active: [{ queryId: "q", from: 900, to: 100, durationMs: 1 }] }],
    ["bad-duration", { active: [{ queryId: "q", from: 0, to: 5_000, durationMs: 5_000 }] }],
    ["bad-time", { endedAt: Number.NaN }],
  ])("are not learned from a window that is %s", (fault, wrong) => {
    const [window] = paced;
    if (!window) throw new Error("no window");
    const profiler = createProfiler();
    const { accepted, rejected } = profiler.observe([{ ...window, ...wrong } as WindowObservation]);
    expect([accepted, rejected]).toEqual([0, { [fault]: 1 }]);
    expect(profiler.estimate().costs.size).toBe(0);
  });

  it.each([
    "",
    "{}",
    '{"format":"evenkeel.profile/3"}',
    '{"format":"evenkeel.profile/2","horizon":0,"queries":[],"windows":[["k",1,100,[0,0,1,1,1],[[],[],[]]]]}',
  ])("are not restored from damaged bytes: %s", (text) => {
    expect(() => restoreProfiler(new TextEncoder().encode(text))).toThrow(EstimatorStateError);
  });
});

function createSized(windows: readonly WindowObservation[]): number {
  const profiler = createProfiler();
  profiler.observe(windows);
  return profiler.save().length;
}

describe("the estimator that the windows ask for", () => {
  it("is the one of ticks for a server without durations, to the last digit", () => {
    const { windows } = traffic({ queries: 5, windows: 40, seed: 1 });
    const [learner, estimator] = [createLearner(), createEstimator()];
    for (const one of [learner, estimator]) one.observe(windows);
    expect(learner.estimate()).toEqual(estimator.estimate());
    expect(restoreLearner(learner.save()).estimate()).toEqual(estimator.estimate());
  });

  it("learns anew once a server tells durations, and goes on with that", () => {
    const { windows } = traffic({ queries: 5, windows: 40, seed: 1 });
    const learner = createLearner();
    learner.observe(windows);
    learner.observe(paced);
    expect([...learner.estimate().costs.keys()].every((id) => id.startsWith("report-"))).toBe(true);
    const restored = restoreLearner(learner.save());
    expect(restored.observe(windows.slice(0, 1)).rejected).toEqual({ "no-durations": 1 });
  });
});
