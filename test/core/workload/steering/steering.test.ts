import { describe, expect, it } from "@jest/globals";
import { isInBand } from "../../../../core/workload/measures.ts";
import { defaultKnobs } from "../../../../core/workload/steering/knobs.ts";
import type { SteeringApi } from "../../../../core/workload/types.ts";
import type { Engine } from "../../../../sim-server/database/engine.ts";
import { createLoop, type Loop, observationOf, shareInBand } from "./loop.ts";

/** The mean CPU usage of a tick over `ticks` ticks. */
function meanUsage(loop: Loop, ticks: number): number {
  let sum = 0;
  for (let at = 0; at < ticks; at++) {
    loop.tick();
    sum += loop.engine.lastUsage()[0];
  }
  return sum / ticks;
}

/**
 * The largest usage that what waits now would make in one tick if nothing moved it any more, in mean ticks. The very
 * next tick holds what has been chosen for it, whether the scheduler lives or dies.
 */
function worstTickIfItDied(engine: Engine, mean: number): number {
  const truth = engine.truth();
  const sums = new Map<number, number>();
  for (const { queryId, tick } of engine.queued()) {
    if (tick > engine.tick + 1) sums.set(tick, (sums.get(tick) ?? 0) + (truth.get(queryId)?.[0] ?? 0));
  }
  return Math.max(0, ...sums.values()) / mean;
}

describe("steering a database whose costs are known", () => {
  it.each([
    ["default", {}, 6, 0.6],
    ["double", { arrivals: { mean: 0.02 } }, 1.8, 0.85],
    ["five", { arrivals: { mean: 0.05 } }, 0.8, 0.95],
  ])("levels the %s load", (_, parameters, latencyP95Seconds, least) => {
    expect(shareInBand(createLoop({ parameters, knobs: { latencyP95Seconds } }), 2000)).toBeGreaterThan(least);
  });

  it("leaves hardly a second empty where too few arrive to level each, and fills none at random", () => {
    const loop = createLoop({ seed: 4, parameters: { arrivals: { mean: 0.007 } } });
    const ran: number[] = [];
    let [level, tick] = [0, 0];
    for (let at = 0; at < 2000; at++) {
      const { executed, window } = loop.tick().step;
      tick += executed.length;
      if (!window) continue;
      if (at > 300) ran.push(tick);
      if (at > 300 && isInBand(window) && tick > 0) level++;
      tick = 0;
    }
    const share = (wanted: (count: number) => boolean) => ran.filter(wanted).length / ran.length;
    expect(share((count) => count === 0)).toBeLessThanOrEqual(0.05);
    // One or two in a second that cannot be level, not the ten that would make half of a level one.
    expect(share((count) => count > 0 && count <= 2)).toBeGreaterThan(0.2);
    expect(level / ran.length).toBeGreaterThan(0.4);
  });

  it("is deterministic", () => {
    const run = () => {
      const loop = createLoop({ seed: 5 });
      return Array.from({ length: 400 }, () => loop.tick().placements);
    };
    expect(run()).toEqual(run());
  });

  it("never delays a query whose deadline is 0, and tells the rest apart", () => {
    const [queryId = ""] = createLoop({}).engine.truth().keys();
    const loop = createLoop({ knobs: { deadlineSeconds: { [queryId]: 0 } } });
    const delays = { never: new Set<number>(), others: new Set<number>() };
    for (let at = 0; at < 3000; at++)
      for (const { queryId: ran, arrivedTick } of loop.tick().step.executed)
        delays[ran === queryId ? "never" : "others"].add(loop.engine.tick - arrivedTick);
    expect([...delays.never]).toEqual([1]);
    expect(Math.max(...delays.others)).toBeGreaterThan(10);
  });

  it("goes on after a restart with what waits on the server, from what it saved", () => {
    const loop = createLoop({ seed: 3 });
    for (let at = 0; at < 1500; at++) loop.tick();
    const saved = JSON.parse(JSON.stringify(loop.steering.save()));
    expect(JSON.stringify(saved).length).toBeLessThan(8000);
    const again = createLoop({ seed: 3, saved });
    again.steering.resume(loop.engine.tick, loop.engine.queued());
    let level = 0;
    for (let at = 0; at < 600; at++) {
      const step = loop.engine.step();
      again.steering.observe(observationOf(step));
      for (const { id, tick } of again.steering.plan(() => 0)) loop.engine.place(id, tick);
      if (step.window && isInBand(step.window)) level++;
    }
    expect(level).toBeGreaterThan(30);
  });
});

describe("the latency budget", () => {
  it("is kept where five queries seldom come, and nothing waits for three budgets", () => {
    const parameters = { queries: 5, arrivals: { mean: 0.2 } };
    const loop = createLoop({ seed: 901, parameters });
    const delays: number[] = [];
    for (let at = 0; at < 5000; at++)
      for (const { arrivedTick } of loop.tick().step.executed)
        if (at > 2000) delays.push(loop.engine.tick - arrivedTick);
    delays.sort((a, b) => a - b);
    // Without the account of late executions it was 94 to 113 ticks.
    expect(delays[Math.floor(0.95 * delays.length)]).toBeLessThanOrEqual(66);
    expect(delays.at(-1)).toBeLessThanOrEqual(180);
    expect(delays.at(-1)).toBeGreaterThan(66);
  });
});

it("chooses for the very next tick no more than one and a half times what arrives in one, or two", () => {
  const loop = createLoop({ seed: 901, parameters: { arrivals: { mean: 0.011 } } });
  const chosen = new Set<number>();
  for (let at = 0; at < 2500; at++) {
    loop.tick();
    const { tick } = loop.engine;
    // What arrived in this tick runs next by itself.
    const next = loop.engine.queued().filter((entry) => entry.tick === tick + 1 && entry.arrivedTick < tick);
    if (at > 600) chosen.add(next.length);
  }
  // 1.9 to 2.5 arrive in a tick; a backlog well above what is meant would ask for four.
  expect(Math.max(...chosen)).toBe(3);
});

describe.each<SteeringApi>(["place", "delay"])("steering that is switched off, with api %s", (api) => {
  it("delays nothing more, and lets what it held run off level", () => {
    const loop = createLoop({ api, seed: 4 });
    for (let at = 0; at < 1500; at++) loop.tick();
    const mean = meanUsage(loop, 300);
    const held = new Set(loop.engine.queued().map(({ id }) => id));
    expect(held.size).toBeGreaterThan(20);
    const knobs = { ...defaultKnobs, enabled: false };
    loop.steering.setKnobs(knobs);
    const truth = loop.engine.truth();
    const released: number[] = [];
    for (let at = 0; at < 300; at++) {
      const { executed } = loop.tick().step;
      const old = executed.filter(({ id }) => held.has(id));
      released.push(old.reduce((sum, { queryId }) => sum + (truth.get(queryId)?.[0] ?? 0), 0) / mean);
      for (const { id, arrivedTick } of executed)
        if (!held.has(id)) expect(loop.engine.tick - arrivedTick).toBeLessThanOrEqual(1);
    }
    expect(loop.steering.status()).toMatchObject({ mode: "off", advice: null });
    // The first tick holds what was chosen for it before, and with it what the server already had there.
    expect(Math.max(...released.slice(1))).toBeLessThanOrEqual(1.5);
    expect(loop.engine.queued().filter(({ id }) => held.has(id))).toEqual([]);
    loop.steering.setKnobs({ ...knobs, enabled: true });
    expect(shareInBand(loop, 600)).toBeGreaterThan(0.4);
  });
});

describe("steering by /delay alone", () => {
  const worstBurst = (burst: number) => {
    const loop = createLoop({ api: "delay", seed: 2, knobs: { burst } });
    const worst: number[] = [];
    let usage = 0;
    for (let at = 1; at <= 2500; at++) {
      loop.tick();
      usage += loop.engine.lastUsage()[0];
      if (at > 1000) worst.push(worstTickIfItDied(loop.engine, usage / at));
    }
    return Math.max(...worst);
  };

  it("lets no more than the allowed burst fall due together when the scheduler dies", () => {
    // One execution always fits, and what may wait no longer comes on top.
    expect(worstBurst(3)).toBeLessThanOrEqual(4.5);
    // The same measure sees rolling holds without a bound.
    expect(worstBurst(1000)).toBeGreaterThan(10);
  });
});

describe("steering in odd worlds", () => {
  const free = { law: "constant", value: 0 };

  it("lets queries run that cost nothing", () => {
    const loop = createLoop({ parameters: { profiles: [{ cpu: free, io: free, memory: free }] } });
    let ran = 0;
    for (let at = 0; at < 2000; at++) ran += loop.tick().step.executed.length;
    expect(ran).toBeGreaterThan(2000);
    expect(loop.steering.status().backlog).toBeLessThan(300);
  });

  it("drains a backlog that came all at once, without running it all at once", () => {
    const loop = createLoop({});
    for (let at = 0; at < 600; at++) loop.tick();
    const { engine, steering } = loop;
    const flood = Array.from({ length: 5000 }, (_, at) => ({
      id: `flood${at}`,
      queryId: [...engine.truth().keys()][at % 100] ?? "",
      arrivedTick: engine.tick - 1,
      tick: engine.tick + 1,
    }));
    steering.resume(engine.tick, flood);
    const placements = steering.plan(() => 0);
    const next = placements.filter(({ tick }) => tick === engine.tick + 1).length;
    expect(next + (flood.length - placements.length)).toBeLessThan(500);
  });

  it("says when a wish is out of reach", () => {
    const loop = createLoop({ knobs: { latencyP95Seconds: 0.3 } });
    for (let at = 0; at < 2500; at++) loop.tick();
    expect(loop.steering.status().advice).not.toBeNull();
  });
});
