/** What recording costs on AWS, from prices and from the sizes of what the system writes. */
import { parseArgs } from "node:util";
import { defaultTuning } from "../platform/sender.ts";
import { costParts, monthSeconds, partNames, recordingParts, total } from "./cost/model.ts";
import { receiptUnits } from "./cost/sizes.ts";
import { makeTraffic } from "./cost/traffic.ts";
import { positive, print, rounded } from "./smoothing/options.ts";

const help = `What a deployment with one server costs on AWS (us-east-1, on demand, no free tier).

  bench cost [options]

  usdPerMillionExecutions is everything but the keeping of history for two weeks, which usdPerMillionStored tells;
  usdPerMillionRecording is the part of it on an execution's way into the table (not estimator, scheduler, logs, alarms);
  usdPerMonth is both, and usdPerMonthAlwaysOn is the part of it that is paid when nothing executes.

  --rate <n>   executions a second (15)
  --json       one JSON line for machines
`;

export async function cost(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { rate: { type: "string", default: "15" }, json: { type: "boolean" }, help: { type: "boolean" } },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const result = monthlyCost(positive("rate", values.rate));
  const table = Object.entries(result).map(([name, value]) => `${name.padEnd(28)} ${value}\n`);
  if (values.json) print(result, true);
  else process.stdout.write(table.join(""));
}

/**
 * USD. `usdPerMonth` is everything; `usdPerMonthAlwaysOn` the part of it that is paid when nothing executes.
 * `usdPerMillionExecutions` is everything but the keeping of history, which `usdPerMillionStored` tells;
 * `usdPerMillionRecording` is the part of it on an execution's way into the table.
 */
export function monthlyCost(rate: number) {
  const packSeconds = defaultTuning.packMs / 1_000;
  const at = (executionsPerSecond: number) => {
    const windows = Math.max(20, Math.min(600, Math.round(30_000 / (executionsPerSecond + 1))));
    const packed = makeTraffic(executionsPerSecond, windows, packSeconds);
    const rowsPerSecond = executionsPerSecond + 1;
    const { maxMessageBytes, maxMessageRows } = defaultTuning;
    const bytesPerSecond = packed.messageBytes / packSeconds;
    const messages = Math.max(1 / packSeconds, rowsPerSecond / maxMessageRows, bytesPerSecond / maxMessageBytes);
    const traffic = { ...packed, messageBytes: bytesPerSecond / messages };
    return { traffic, parts: costParts({ rate: executionsPerSecond, messages, traffic, receiptUnits }) };
  };
  const { traffic, parts } = at(rate);
  const usd = (value: number): number => rounded(value, 4);
  const month = total(parts);
  const millions = (rate * monthSeconds) / 1e6;
  return {
    rate,
    usdPerMillionExecutions: usd((month - parts.storage) / millions),
    usdPerMillionRecording: usd(recordingParts.reduce((sum, name) => sum + parts[name], 0) / millions),
    usdPerMillionStored: usd(parts.storage / millions),
    usdPerMonthAlwaysOn: usd(total(at(0).parts)),
    usdPerMonth: usd(month),
    ...Object.fromEntries(partNames.map((name) => [`${name}UsdPerMonth`, usd(parts[name])])),
    executionItemBytes: Math.round(traffic.executionBytes),
    windowItemBytes: Math.round(traffic.windowBytes),
    messageBytes: Math.round(traffic.messageBytes),
  };
}
