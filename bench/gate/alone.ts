/** What the library takes of the application's processor by itself: work that does nothing, at two rates. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Gate } from "../../gate/src/gate.ts";
import { quantile } from "../smoothing/options.ts";

const turnMs = 800;
const afterMs = 300;
/** Executions a second, which come in small groups. */
const rates = [100, 8_000] as const;
const groupMs = 5;

type Runner = Pick<Gate, "run">;

/**
 * Processor time of the application (ms a second, at each rate) that work takes more through the gate than without: medians over
 * `rounds`, split into a part for each execution and a part for each second.
 */
export async function aloneOf(gate: Runner, rounds: number): Promise<{ callUs: number; secondMs: number }> {
  const bare: Runner = { run: async (_, fn) => fn() };
  const more: number[] = [];
  for (const rate of rates) {
    const differences: number[] = [];
    for (let round = 0; round < rounds; round++)
      differences.push((await turn(gate, rate)) * 1_000 - (await turn(bare, rate)) * 1_000);
    more.push(quantile(differences, 0.5));
  }
  const [few = 0, many = 0] = more;
  const perCallMs = (many - few) / (rates[1] - rates[0]);
  return { callUs: 1_000 * perCallMs, secondMs: few - rates[0] * perCallMs };
}

/** Processor time, as a share of one core. */
async function turn(runner: Runner, rate: number): Promise<number> {
  const cpu = process.cpuUsage();
  const from = performance.now();
  let done = 0;
  const work = { sql: "select oid, relname from pg_class where oid = $1", deferBy: 0 };
  const nothing = () => new Promise<void>((resolve) => setImmediate(resolve));
  while (performance.now() < from + turnMs) {
    for (; done < ((performance.now() - from) * rate) / 1_000; done++) void runner.run(work, nothing);
    await sleep(groupMs);
  }
  const lasted = performance.now() - from;
  await sleep(afterMs);
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / 1_000 / lasted;
}
