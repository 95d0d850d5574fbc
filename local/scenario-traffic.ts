/** A scenario's traffic in virtual time, made by the simulated database's own program. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { LocalError } from "./errors.ts";
import { scenarioFile } from "./loop.ts";
import { nodeBinary, root } from "./paths.ts";

const triple = z.tuple([z.number(), z.number(), z.number()]);
const printed = z.object({
  tickMs: z.number().positive(),
  windowTicks: z.int().min(1),
  defaultDelayTicks: z.int().min(0),
  costs: z.array(z.tuple([z.string(), triple])),
  /** By tick, indexes into `costs`. */
  arrivals: z.array(z.array(z.int().min(0))),
});
export type ScenarioTraffic = z.infer<typeof printed>;

/** @throws LocalError when there is no such scenario, or its file is wrong */
export async function scenarioTraffic(options: {
  readonly scenario: string;
  readonly seed: number | undefined;
  readonly minutes: number;
  readonly signal: AbortSignal;
}): Promise<ScenarioTraffic> {
  const { scenario, seed, minutes, signal } = options;
  const args = ["--scenario", scenarioFile(scenario), "--minutes", String(minutes)];
  if (seed !== undefined) args.push("--seed", String(seed));
  const child = spawn(nodeBinary, [join(root, "sim-server", "database", "traffic.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const [[code], output, trouble] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new LocalError(trouble.trim().split("\n")[0] ?? `the scenario's traffic: exit status ${code}`);
  return printed.parse(JSON.parse(output));
}
