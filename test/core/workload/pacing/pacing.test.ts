import { describe, expect, it } from "@jest/globals";
import { createPacing } from "../../../../core/workload/pacing/pacing.ts";
import { defaultKnobs } from "../../../../core/workload/steering/knobs.ts";
import type { CostEstimate, Knobs, Steering, TickObservation, Waiting } from "../../../../core/workload/types.ts";

const cost = (workMs: number): CostEstimate => ({
  mean: [workMs, 0, 0],
  sd: [1, 0, 0],
  seen: 100,
  lastSeenAt: 0,
  durationMs: workMs,
});
const costs = new Map([10, 20, 40, 80].map((workMs) => [`q${workMs}`, cost(workMs)]));

/** A server that runs each execution at its cost, evenly, from the beginning of the tick in which it is due. */
class Server {
  readonly steering: Steering;
  readonly started = new Map<string, { tick: number; waited: number }>();
  readonly used: number[] = [];
  #waiting = new Map<string, Waiting>();
  #tick = 0;

  constructor(knobs: Partial<Knobs> = {}, known = true) {
    this.steering = createPacing({
      clockwork: { tickMs: 100, windowTicks: 10, defaultDelayTicks: 3, spread: true },
      knobs: { ...defaultKnobs, latencyP95Seconds: 12, ...knobs },
    });
    if (known) this.steering.setCosts(costs, cost(40));
    this.steering.resume(-1, []);
  }

  /** Runs ticks; `arrivals` arrive in the first of them. */
  run(ticks: number, arrivals: readonly Waiting[] = [], usage: boolean | number = 0): void {
    for (const end = this.#tick + ticks, first = this.#tick; this.#tick < end; this.#tick++) {
      const tick = this.#tick;
      const arrived = tick === first ? arrivals : [];
      for (const entry of arrived) this.#waiting.set(entry.id, entry);
      const executed = [...this.#waiting.values()].filter(
        (entry) => Math.min(entry.tick, entry.latestTick ?? 1e9) <= tick,
      );
      const ended = executed.map(({ id, queryId }) => ({
        id,
        queryId,
        startedTick: tick,
        durationMs: Number(queryId.slice(1)),
      }));
      for (const { id, arrivedTick } of executed) {
        this.#waiting.delete(id);
        this.started.set(id, { tick, waited: tick - arrivedTick });
      }
      const used = ended.reduce((sum, { durationMs }) => sum + durationMs, 0);
      this.used.push(used);
      const none = { average: 0, min: 0, max: 0 };
      const observation: TickObservation = {
        tick,
        executed,
        arrived,
        ended,
        ...(usage !== false && { usage: { cpu: used + Number(usage), io: 0, memory: 0 } }),
        ...(tick % 10 === 9 && {
          window: { firstTick: tick - 9, bounds: "exact", metrics: { cpu: none, io: none, memory: none } },
        }),
      };
      this.steering.observe(observation);
      const placements = this.steering.plan(() => 0);
      for (const { id, tick: to } of placements) {
        const entry = this.#waiting.get(id);
        if (entry) this.#waiting.set(id, { ...entry, tick: Math.max(to, tick + 1) });
      }
      this.steering.settle(
        placements.map(({ id, tick: to }) => ({ id, tick: this.#waiting.has(id) ? to : undefined })),
      );
    }
  }

  get waiting(): number {
    return this.#waiting.size;
  }
}

let number = 0;
const burst = (tick: number, count: number, latestTick?: number): Waiting[] =>
  Array.from({ length: count }, (_, at) => {
    const queryId = `q${[10, 20, 40, 80][at % 4]}`;
    return { id: `x${number++}`, queryId, arrivedTick: tick, tick: tick + 3, latestTick };
  });
const seconds = (used: readonly number[]) =>
  Array.from({ length: Math.floor(used.length / 10) }, (_, at) =>
    used.slice(10 * at, 10 * at + 10).reduce((a, b) => a + b, 0),
  );

describe("pacing executions that last", () => {
  it("spreads a burst over the budget, second by second alike", () => {
    const server = new Server();
    server.run(120, burst(0, 120));
    const [, ...level] = seconds(server.used).slice(0, 11);
    expect(Math.max(...level)).toBeLessThan(1.15 * Math.min(...level));
    expect(Math.min(...level)).toBeGreaterThan(200);
  });

  it("delays nothing while no costs are known, and tells why", () => {
    const server = new Server({}, false);
    server.run(10, burst(0, 40));
    expect([...server.started.values()].every(({ waited }) => waited === 3)).toBe(true);
    expect(server.steering.status()).toMatchObject({ mode: "learning", advice: expect.stringContaining("no costs") });
  });

  it("delays nothing when switched off, and lets go what it held", () => {
    const server = new Server();
    server.run(20, burst(0, 120));
    server.steering.setKnobs({ ...defaultKnobs, enabled: false });
    server.run(10, burst(20, 8));
    const late = [...server.started.values()].filter(({ tick }) => tick === 23);
    expect(late.length).toBeGreaterThanOrEqual(8);
    server.run(200);
    expect(server.waiting).toBe(0);
    expect(server.steering.status().mode).toBe("off");
  });

  it("places nothing beyond what the server or a query's deadline allows", () => {
    const server = new Server({ deadlineSeconds: { q10: 2, q20: 0 } });
    server.run(150, burst(0, 120, 50));
    expect(Math.max(...[...server.started.values()].map(({ waited }) => waited))).toBeLessThanOrEqual(50);
    const waits = (remainder: number) =>
      [...server.started]
        .filter(([id]) => (Number(id.slice(1)) - first) % 4 === remainder)
        .map(([, { waited }]) => waited);
    const first = Math.min(...[...server.started.keys()].map((id) => Number(id.slice(1))));
    expect(Math.max(...waits(0))).toBeLessThanOrEqual(20);
    expect(Math.max(...waits(1))).toBeLessThanOrEqual(3);
    expect(Math.max(...waits(3))).toBeGreaterThan(20);
  });

  it("lets everything run when load exceeds what the budget spreads", () => {
    const server = new Server({ latencyP95Seconds: 1 });
    for (let round = 0; round < 10; round++) server.run(10, burst(10 * round, 60));
    server.run(60);
    expect(server.waiting).toBe(0);
    expect(Math.max(...[...server.started.values()].map(({ waited }) => waited))).toBeLessThanOrEqual(20);
  });

  it("fills around what else the server does", () => {
    const server = new Server();
    server.run(30, burst(0, 240));
    const quiet = server.started.size;
    const busy = new Server();
    busy.run(30, [], 30);
    busy.run(30, burst(30, 240), 60);
    expect(busy.started.size).toBeLessThan(quiet);
  });

  it("goes on without measurements, by what executions are known to use", () => {
    const server = new Server();
    server.run(120, burst(0, 120), false);
    const [, ...level] = seconds(server.used).slice(0, 11);
    expect(Math.max(...level)).toBeLessThan(1.15 * Math.min(...level));
  });

  it("begins anew after a break with what waits on the server", () => {
    const server = new Server();
    server.run(20, burst(0, 40));
    const waiting = burst(500, 4).map((entry) => ({ ...entry, tick: 503 }));
    server.steering.resume(500, waiting);
    expect(server.steering.status().backlog).toBe(4);
    const placed = server.steering.plan(() => 0);
    expect(placed.every(({ tick }) => tick > 500)).toBe(true);
  });
});
