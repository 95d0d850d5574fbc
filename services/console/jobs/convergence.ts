/** How a query's estimate comes to the truth, in a simulation started for it: no server tells its true costs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { createEstimator } from "../../../core/workload/estimator/estimator.ts";
import type { Triple } from "../../../core/workload/types.ts";
import { World } from "../../../core/workload/what-if/world.ts";
import type { Convergence } from "../contract/jobs.ts";
import { type ConvergenceTask, type Say, TaskError } from "./tasks.ts";

const triple = z.tuple([z.number(), z.number(), z.number()]);
/** What the simulator prints; see its own words. */
const printed = z.object({
  tickMs: z.number().positive(),
  windowTicks: z.int().min(1),
  defaultDelayTicks: z.int().min(0),
  costs: z.array(z.tuple([z.string(), triple])).min(1),
  arrivals: z.array(z.array(z.int().min(0))),
});
type Simulated = z.infer<typeof printed>;

/** Estimates each five seconds of the first two minutes, then each minute: as the loop does while it learns. */
const oftenSeconds = 5;
const oftenUntil = 120;
const seldomSeconds = 60;
const simulatingShare = 0.2;

/** @throws TaskError when the simulator cannot do it */
export async function simulateConvergence(asked: ConvergenceTask, say: Say): Promise<Convergence> {
  say("simulating traffic", 0);
  const simulated = await simulate(asked);
  const { tickMs, windowTicks, defaultDelayTicks, costs, arrivals } = simulated;
  const [queryId, truth] = nearest(simulated, asked);
  const exactly = (mean: Triple) => ({ mean, sd: [0, 0, 0] as const, seen: 1, lastSeenAt: 0 });
  const world = new World(
    {
      clockwork: { tickMs, windowTicks, defaultDelayTicks },
      ticks: arrivals.length,
      arrivals: arrivals.flatMap((queries, arrivedTick) =>
        queries.map((query) => ({ queryId: costs[query]?.[0] ?? "", arrivedTick })),
      ),
    },
    { costs: new Map(costs.map(([id, mean]) => [id, exactly(mean)])), prior: exactly([0, 0, 0]) },
    "place",
  );
  const estimator = createEstimator();
  const points: Convergence["points"] = [];
  let ticks: string[][] = [];
  let estimatedAt = 0;
  for (let tick = 0; tick < arrivals.length; tick++) {
    const { executed, window } = world.step();
    ticks.push(executed.map((one) => one.queryId));
    if (!window) continue;
    const endedAt = (tick + 1) * tickMs;
    const { firstTick, metrics } = window;
    estimator.observe([
      { key: String(firstTick), epoch: "simulated", endedAt, firstTick, ticks, bounds: "exact", metrics },
    ]);
    ticks = [];
    const second = Math.floor(endedAt / 1_000);
    if (second - estimatedAt < (second <= oftenUntil ? oftenSeconds : seldomSeconds)) continue;
    estimatedAt = second;
    const estimates = estimator.estimate();
    const { mean, sd, seen } = estimates.costs.get(queryId) ?? estimates.prior;
    points.push({ second, seen, mean: [...mean], sd: [...sd] });
    say("learning from it", simulatingShare + (1 - simulatingShare) * (tick / arrivals.length));
  }
  return { scenario: asked.scenario, queryId, same: queryId === asked.queryId, truth, points };
}

async function simulate({ simulator, scenario, seed, minutes }: ConvergenceTask): Promise<Simulated> {
  const args = ["--scenario", scenario, "--minutes", String(minutes), ...(seed === undefined ? [] : ["--seed", seed])];
  const child = spawn(process.execPath, [simulator, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const [[code], output, trouble] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new TaskError(`the simulator: ${trouble.trim().split("\n").at(-1) || `exit status ${code}`}`);
  return printed.parse(JSON.parse(output));
}

/** The simulation's query of that id, else the one whose cost is nearest to what is believed. */
function nearest({ costs }: Simulated, { queryId, mean }: ConvergenceTask): Simulated["costs"][number] {
  const same = costs.find(([id]) => id === queryId);
  const distance = ([, cost]: Simulated["costs"][number]) =>
    mean ? cost.reduce((sum, value, resource) => sum + Math.abs(value - (mean[resource] ?? 0)), 0) : 0;
  const [best] = same ? [same] : costs.toSorted((a, b) => distance(a) - distance(b));
  if (!best) throw new TaskError("the simulation has no queries");
  return best;
}
