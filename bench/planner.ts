/** `bench planner`: how long the planning of one tick takes at a given backlog. */
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { defaultKnobs } from "../core/workload/steering/knobs.ts";
import { createSteering } from "../core/workload/steering/steering.ts";
import type { CostEstimate, Waiting } from "../core/workload/types.ts";
import { createRandom } from "../sim-server/database/random.ts";
import { print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `The time that planning one tick takes, over ten windows, beginning with a given backlog.

  bench planner [options]

  --backlog <n>  executions that wait at the beginning (1000)
  --seed <n>     (1)
  --json         one JSON line for machines
`;

const queries = 100;
const tickMs = 100;
const windowTicks = 10;
const windows = 10;

export interface PlanningTime {
  readonly backlog: number;
  readonly planMsP50: number;
  readonly planMsP99: number;
}

/** Times `observe` and `plan` while the backlog drains as fast as the planner sees fit and 1.5 executions a tick arrive. */
export function timePlanning(backlog: number, seed: number): PlanningTime {
  const random = createRandom(seed);
  const costs = new Map<string, CostEstimate>();
  for (let query = 0; query < queries; query++) {
    const draw = () => 30 + Math.floor(40 * random.uniform());
    costs.set(String(query), { mean: [draw(), draw(), draw()], sd: [0, 0, 0], seen: 1000, lastSeenAt: 0 });
  }
  let number = 0;
  const waiting = (arrivedTick: number): Waiting => ({
    id: String(number++),
    queryId: String(Math.floor(random.uniform() * queries)),
    arrivedTick,
    tick: arrivedTick + 1,
  });
  const steering = createSteering({
    clockwork: { tickMs, windowTicks, defaultDelayTicks: 1 },
    knobs: defaultKnobs,
    api: "place",
    seed,
  });
  steering.setCosts(costs, { mean: [47, 47, 47], sd: [12, 12, 12], seen: 0, lastSeenAt: 0 });
  const first = 1000 * windowTicks;
  const due = new Map(
    Array.from({ length: backlog }, (_, at) => waiting(first - 1 - Math.floor((at * windowTicks) / backlog))).map(
      (w) => [w.id, w],
    ),
  );
  steering.resume(first - 1, [...due.values()]);
  const times: number[] = [];
  for (let tick = first; tick < first + windows * windowTicks; tick++) {
    const begin = performance.now();
    const placements = steering.plan(() => 0);
    const planned = performance.now() - begin;
    for (const { id, tick: at } of placements) {
      const entry = due.get(id);
      if (entry) due.set(id, { ...entry, tick: at });
    }
    const executed = [...due.values()].filter((entry) => entry.tick <= tick);
    for (const { id } of executed) due.delete(id);
    const arrived = Array.from({ length: 1 + (tick % 2) }, () => waiting(tick));
    for (const entry of arrived) due.set(entry.id, entry);
    const observing = performance.now();
    steering.observe({ tick, executed, arrived });
    times.push(planned + performance.now() - observing);
  }
  return { backlog, planMsP50: rounded(quantile(times, 0.5), 3), planMsP99: rounded(quantile(times, 0.99), 3) };
}

/** As a service that has run for a while does it: the first run's compilation is not counted. */
function timeWarm(backlog: number, seed: number): PlanningTime {
  timePlanning(Math.min(backlog, 1000), seed);
  return timePlanning(backlog, seed);
}

export async function planner(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      backlog: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) process.stdout.write(help);
  else
    print(
      timeWarm(wholeNumber("backlog", values.backlog, 10_000_000), wholeNumber("seed", values.seed, 0xffffffff)),
      values.json,
    );
}
