/** `npm run --silent bench -- <name> [options]`: each bench prints a table for people, or with `--json` one JSON object. */
const benches: Record<string, () => Promise<(args: string[]) => Promise<void>>> = {
  smoothing: async () => (await import("./smoothing.ts")).smoothing,
  estimator: async () => (await import("./estimator.ts")).estimator,
  pace: async () => (await import("./pace.ts")).pace,
  memory: async () => (await import("./memory.ts")).memory,
  bound: async () => (await import("./bound.ts")).bound,
  pacing: async () => (await import("./pacing.ts")).pacing,
  planner: async () => (await import("./planner.ts")).planner,
  capture: async () => (await import("./capture.ts")).capture,
  durability: async () => (await import("./durability.ts")).durability,
  postgres: async () => (await import("./postgres.ts")).postgres,
  audit: async () => (await import("./audit.ts")).audit,
  cost: async () => (await import("./cost.ts")).cost,
  scale: async () => (await import("./scale.ts")).scale,
  gate: async () => (await import("./gate.ts")).gate,
  fleet: async () => (await import("./fleet.ts")).fleet,
  console: async () => (await import("./console.ts")).consolePage,
};

const usage = `usage: npm run --silent bench -- <${Object.keys(benches).join(" | ")}> [options]; each takes --help and --json`;

const [name = "", ...args] = process.argv.slice(2);
const load = Object.hasOwn(benches, name) ? benches[name] : undefined;
if (!load) {
  const asked = name === "--help" || name === "-h";
  (asked ? console.log : console.error)(asked || !name ? usage : `bench: there is no '${name}'; ${usage}`);
  process.exitCode = asked ? 0 : 2;
} else {
  try {
    await (await load())(args);
  } catch (error) {
    console.error(`bench ${name}: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 2;
  }
}
