/** `bench memory`: does anything in the scheduler's loop grow? Its parts over virtual hours, the heap after each collection. */
import { setImmediate as turn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { defaultKnobs } from "../core/workload/steering/knobs.ts";
import { createSteering } from "../core/workload/steering/steering.ts";
import type { Clock } from "../platform/clock.ts";
import { silentLog } from "../platform/log.ts";
import { Journal } from "../services/scheduler/journal.ts";
import { createSteeringLoop } from "../services/scheduler/steering-loop.ts";
import { Tracker } from "../services/scheduler/tracker.ts";
import { Engine } from "../sim-server/database/engine.ts";
import { loadParameters, scenarioNames } from "../sim-server/database/parameters.ts";
import { createCostSource } from "./smoothing/costs.ts";
import { observationOf } from "./smoothing/observation.ts";
import { positive, print, rounded } from "./smoothing/options.ts";

const help = `The scheduler's loop (planner, poster, journal, status) over virtual hours: its heap after a full collection.

  bench memory [options]

  --scenario <name|file>  ${scenarioNames.join(", ")}, or a parameter file (default)
  --hours <n>             virtual hours (6)
  --json                  one JSON line for machines
`;

export interface MemoryUse {
  readonly hours: number;
  /** MB of live heap after the first and the last hour, and the most after any. */
  readonly firstMb: number;
  readonly lastMb: number;
  readonly mostMb: number;
}

function collect(): number {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  if (typeof gc !== "function") throw new Error("this Node.js cannot collect on demand");
  gc();
  return process.memoryUsage().heapUsed / 1e6;
}

export async function measureMemory(scenario: string, hours: number): Promise<MemoryUse> {
  const parameters = loadParameters(scenario);
  const { tickMs, windowTicks, defaultDelayTicks } = parameters;
  const engine = new Engine(parameters);
  const costs = createCostSource("true", engine);
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
  const loop = createSteeringLoop({
    create: (settings) => createSteering({ ...settings, seed: 1 }),
    api: "place",
    knobs: defaultKnobs,
    saved: undefined,
    send: async (placements) => ({
      tick: Math.max(0, engine.tick),
      results: placements.map(({ id, tick }) => {
        const placed = engine.place(id, tick);
        return placed === undefined ? { id, outcome: "gone" } : { id, outcome: "placed", tick: placed };
      }),
    }),
    mayAct: () => true,
    onStaleFence: () => {},
    tracker: new Tracker(),
    journal: new Journal(),
    clock,
    log: silentLog,
  });
  loop.onEvent({
    type: "hello",
    serverId: "s",
    epoch: "e",
    tick: -1,
    tickMs,
    windowTicks,
    defaultDelayTicks,
    queue: [],
  });
  const heap: number[] = [];
  const ticksPerHour = 3_600_000 / tickMs;
  for (let tick = 0; tick < hours * ticksPerHour; tick++) {
    const step = engine.step();
    now += tickMs;
    const renewed = costs.after(step);
    if (renewed) loop.setCosts(renewed.costs, renewed.prior);
    const { executed, arrived, window } = observationOf(step);
    loop.onEvent({
      type: "tick",
      tick,
      at: now,
      executed: [...executed],
      arrived: [...arrived],
      ...(window && { window }),
    });
    // Planning waits for a turn of the event loop, answers for another.
    await turn();
    await turn();
    if ((tick + 1) % ticksPerHour === 0) {
      heap.push(collect());
      process.stderr.write(`hour ${heap.length}: ${heap.at(-1)?.toFixed(1)} MB\n`);
    }
  }
  return {
    hours,
    firstMb: rounded(heap[0] ?? 0, 1),
    lastMb: rounded(heap.at(-1) ?? 0, 1),
    mostMb: rounded(Math.max(...heap), 1),
  };
}

export async function memory(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      scenario: { type: "string", default: "default" },
      hours: { type: "string", default: "6" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) process.stdout.write(help);
  else print(await measureMemory(values.scenario, positive("hours", values.hours)), values.json);
}
