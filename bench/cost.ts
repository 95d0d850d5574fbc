/** What recording costs on AWS, from prices and from the sizes of what the system writes. */
import { parseArgs } from "node:util";
import { defaultTuning } from "../platform/sender.ts";
import { captureParts, costParts, fleetCost, monthSeconds, partNames, total } from "./cost/model.ts";
import { receiptUnits, recorderLogBytes } from "./cost/sizes.ts";
import { makeTraffic } from "./cost/traffic.ts";
import { positive, print, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `What a deployment with one server costs on AWS (us-east-1, on demand, no free tier).

  bench cost [options]

  usdPerMillionExecutions is what capture costs: an execution's way into its table, windows, receipts, messages, function
  and its log, costs when they change; usdPerMillionStored is the keeping of it for two weeks.
  usdPerMonth is everything. usdPerMonthAlwaysOn is paid when nothing executes: its parts end in AlwaysOn.

  --rate <n>   executions a second, of one server (15)
  --fleet <n>  instead: what schedulers cost that share so many servers
  --tasks <n>  so many of them; by default one for each 50 servers
  --json       one JSON line for machines
`;

export async function cost(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rate: { type: "string", default: "15" },
      fleet: { type: "string" },
      tasks: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const result =
    values.fleet === undefined ? monthlyCost(positive("rate", values.rate)) : fleetOf(values.fleet, values.tasks);
  const table = Object.entries(result).map(([name, value]) => `${name.padEnd(28)} ${value}\n`);
  if (values.json) print(result, true);
  else process.stdout.write(table.join(""));
}

/** Of processes that share servers, USD a month by part. */
function fleetOf(given: string, givenTasks: string | undefined) {
  const servers = Math.max(1, wholeNumber("fleet", given, 100_000));
  const tasks = Math.max(1, wholeNumber("tasks", givenTasks ?? String(Math.ceil(servers / 50)), 10_000));
  const { all, ...parts } = fleetCost(servers, tasks);
  return {
    servers,
    tasksRunning: tasks,
    usdPerMonth: rounded(all, 2),
    usdPerServerMonth: rounded(all / servers, 2),
    ...Object.fromEntries(Object.entries(parts).map(([name, usd]) => [`${name}UsdPerMonth`, rounded(usd, 2)])),
  };
}

/**
 * USD. `usdPerMonth` is everything; `usdPerMonthAlwaysOn` what is paid when nothing executes. `usdPerMillionExecutions` is
 * capture's whole cost by execution, its part of what is always on included; `usdPerMillionStored` that of keeping it.
 */
export function monthlyCost(rate: number) {
  const { packMs, quietMs, quietRows } = defaultTuning;
  const at = (executionsPerSecond: number) => {
    const packedRows = (executionsPerSecond + 1) * (packMs / 1_000);
    const packSeconds = (packedRows < quietRows ? quietMs : packMs) / 1_000;
    const windows = Math.max(20, Math.min(600, Math.round(30_000 / (executionsPerSecond + 1))));
    const packed = makeTraffic(executionsPerSecond, windows, packSeconds);
    const rowsPerSecond = executionsPerSecond + 1;
    const { maxMessageBytes, maxMessageRows } = defaultTuning;
    const bytesPerSecond = packed.messageBytes / packSeconds;
    const messages = Math.max(1 / packSeconds, rowsPerSecond / maxMessageRows, bytesPerSecond / maxMessageBytes);
    const traffic = { ...packed, messageBytes: bytesPerSecond / messages };
    const logBytes = recorderLogBytes();
    return { traffic, parts: costParts({ rate: executionsPerSecond, messages, traffic, receiptUnits, logBytes }) };
  };
  const { traffic, parts } = at(rate);
  const idle = at(0).parts;
  const usd = (value: number): number => rounded(value, 4);
  const month = total(parts);
  const millions = (rate * monthSeconds) / 1e6;
  return {
    rate,
    usdPerMillionExecutions: usd(captureParts.reduce((sum, name) => sum + parts[name], 0) / millions),
    usdPerMillionStored: usd(parts.storage / millions),
    usdPerMonthAlwaysOn: usd(total(idle)),
    usdPerMonth: usd(month),
    ...Object.fromEntries(partNames.map((name) => [`${name}UsdPerMonth`, usd(parts[name])])),
    ...Object.fromEntries(partNames.map((name) => [`${name}UsdPerMonthAlwaysOn`, usd(idle[name])])),
    executionItemBytes: Math.round(traffic.executionBytes),
    windowItemBytes: Math.round(traffic.windowBytes),
    messageBytes: Math.round(traffic.messageBytes),
  };
}
