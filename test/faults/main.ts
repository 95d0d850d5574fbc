/** `npm run faults`: the fault campaign as a command. Exit status 1 when anything was lost, duplicated or wrong. */
import { parseArgs } from "node:util";
import { formatTable } from "../../cli/format.ts";
import { campaign, type RoundResult } from "./campaign.ts";
import { controlSchema } from "./control.ts";
import { faults } from "./faults.ts";
import { mutants } from "./mutants.ts";
import { summarize } from "./summary.ts";

const help = `Strikes the loop's real processes with faults, and checks afterwards that nothing was lost.

  npm run faults -- [options]

  --seed <n>         the schedule of faults: the same for the same seed (1)
  --executions <n>   goes on until so many were executed... (20000)
  --kills <n>        ...and so many processes were killed or paused (20)
  --rate <n>         executions a second (100)
  --only <name>      strike with this fault alone (may be repeated; --list shows them)
  --minutes <n>      stop after the round in which so many minutes have passed
  --mutant <name>    plant a fault in our own code: the campaign must find it
                     (${mutants.join(", ")})
  --list             the faults
  --json             one JSON line for machines at the end; progress goes to standard error

Ctrl-C (or SIGTERM) stops after the fault at hand, checks, and tells what came out so far; a second one stops at once. However
it ends, also when it is killed, nothing that it started stays.
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    executions: { type: "string", default: "20000" },
    kills: { type: "string", default: "20" },
    rate: { type: "string", default: "100" },
    only: { type: "string", multiple: true },
    minutes: { type: "string" },
    mutant: { type: "string" },
    list: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false, short: "h" },
  },
});

function number(name: "seed" | "executions" | "kills" | "rate" | "minutes", min: number): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < min)
    throw new RangeError(`--${name}: a whole number from ${min} on is expected`);
  return value;
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(help);
  if (values.list) return void process.stdout.write(`${faults.map(({ name }) => name).join("\n")}\n`);
  for (const name of values.only ?? []) {
    if (!faults.some((fault) => fault.name === name)) throw new RangeError(`--only ${name}: no such fault (--list)`);
  }
  const kills = number("kills", 0);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  if (values.minutes !== undefined) setTimeout(() => stop.abort(), number("minutes", 1) * 60_000).unref();
  const started = performance.now();
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const rounds: RoundResult[] = [];
  const rounding = campaign({
    seed: number("seed", 0),
    executions: number("executions", 1),
    kills,
    rate: number("rate", 1),
    faultsPerRound: Math.min(40, Math.max(5, kills)),
    swiftPerRound: kills > 100 && !values.only ? 150 : 0,
    ...(values.only && { only: values.only }),
    mutant: controlSchema.shape.mutant.parse(values.mutant),
    say,
    signal: stop.signal,
  });
  for await (const round of rounding) {
    rounds.push(round);
    const { executions, kills: killed, lost, told, duplicated, wrong, auditMissing } = summarize(rounds);
    const minutes = ((performance.now() - started) / 60_000).toFixed(1);
    say(
      `round ${rounds.length}, ${minutes} min: ${executions} executions, ${killed} kills, lost ${lost} (told ${told}), duplicated ${duplicated}, wrong ${wrong}, missing by the audit ${auditMissing}`,
    );
  }
  const { faults: byFault, ...figures } = summarize(rounds);
  const result = { ...figures, seconds: Math.round((performance.now() - started) / 1_000), faults: byFault };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    const rows = Object.entries(byFault).map(([name, of]) => [
      name,
      of.count,
      of.kills,
      of.recoveryP50 ?? "-",
      of.recoveryP99 ?? "-",
      of.recoveryMax ?? "-",
      of.drainMax ?? "-",
    ]);
    const table = formatTable(["fault", "times", "kills", "recovery p50 s", "p99", "max", "drain max s"], rows);
    const { failed, ...numbers } = figures;
    const lines = Object.entries({ ...numbers, failed: failed.length }).map(([name, value]) => [name, value ?? "-"]);
    process.stdout.write(`${table}\n\n${formatTable(["", ""], lines).trim()}\n`);
  }
  const bad = figures.lost + figures.duplicated + figures.wrong + figures.auditMissing + figures.failed.length;
  process.exitCode = bad > 0 ? 1 : 0;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`faults: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
