/** Prints a scenario's traffic and true costs as one line of JSON, in virtual time: for what-ifs without a running server. */
import { parseArgs } from "node:util";
import { Engine } from "./engine.ts";
import { loadParameters, ParametersError, parseParameters } from "./parameters.ts";

function main(): void {
  const { values } = parseArgs({
    options: { scenario: { type: "string" }, seed: { type: "string" }, minutes: { type: "string" } },
  });
  const { scenario = "default", seed, minutes = "1" } = values;
  const loaded = loadParameters(scenario);
  const parameters = seed === undefined ? loaded : parseParameters({ ...loaded, seed: Number(seed) }, "--seed");
  const engine = new Engine(parameters, { executionId: () => crypto.randomUUID() });
  const costs = engine.truth();
  const index = new Map(Array.from(costs.keys(), (queryId, at) => [queryId, at]));
  const { tickMs, windowTicks, defaultDelayTicks } = parameters;
  const ticks = Math.ceil((Number(minutes) * 60_000) / tickMs);
  const arrivals = Array.from({ length: ticks }, () => engine.step().arrived.map(({ queryId }) => index.get(queryId)));
  process.stdout.write(`${JSON.stringify({ tickMs, windowTicks, defaultDelayTicks, costs: [...costs], arrivals })}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof ParametersError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
