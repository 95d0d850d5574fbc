/** What a server at a given rate makes: rows, items and messages, by the builders that the system uses. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { executionItem } from "../../platform/tables/executions.ts";
import { windowItem } from "../../platform/tables/windows.ts";
import { batchFormat, type ExecutionRow, type OutboxRow, type WindowRow } from "../../platform/wire.ts";
import { itemBytes, writeUnits } from "./sizes.ts";

export interface Traffic {
  /** Means over the rows made. */
  readonly executionBytes: number;
  readonly executionWriteUnits: number;
  readonly windowBytes: number;
  readonly windowWriteUnits: number;
  readonly messageBytes: number;
}

const queryCount = 100;
const ticksPerWindow = 10;
const startMs = Date.UTC(2026, 10, 21);

/** `windows` seconds of a server that executes `rate` queries a second on average, packed by `packSeconds`. Seeded. */
export function makeTraffic(rate: number, windows: number, packSeconds: number): Traffic {
  const generator = xoroshiro128plus(1);
  const random = (): number => uniformFloat64(generator);
  const uuid = (): string =>
    "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replaceAll("x", () => Math.floor(random() * 16).toString(16));
  const [serverId, incarnation, epoch] = [uuid(), uuid(), uuid()];
  const weights = Array.from({ length: queryCount }, () => ({ id: uuid(), weight: -Math.log(1 - random()) }));
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  const pick = (): string => {
    let left = random() * total;
    for (const { id, weight } of weights) {
      left -= weight;
      if (left <= 0) return id;
    }
    return "";
  };
  const seconds: OutboxRow[][] = [];
  let sequence = 1_000_000;

  for (let second = 0; second < windows; second++) {
    const rows: OutboxRow[] = [];
    const queries: string[] = [];
    const ticks = Array.from({ length: ticksPerWindow }, (_, index) => {
      const tick = second * ticksPerWindow + index;
      const executedAt = startMs + tick * 100;
      return Array.from({ length: poisson(rate / ticksPerWindow, random) }, () => {
        const queryId = pick();
        rows.push(execution(sequence++, { epoch, executionId: uuid(), queryId, executedAt, tick }));
        return queries.includes(queryId) ? queries.indexOf(queryId) : queries.push(queryId) - 1;
      });
    });
    rows.push(
      window(sequence++, { epoch, endedAt: startMs + (second + 1) * 1_000, firstTick: second * 10, queries, ticks }),
    );
    seconds.push(rows);
  }

  const rows = seconds.flat();
  const executions = rows.flatMap((row) =>
    row.type === "execution" ? [itemBytes(executionItem(serverId, incarnation, row, 1))] : [],
  );
  const windowItems = rows.flatMap((row) =>
    row.type === "window" ? [itemBytes(windowItem(serverId, incarnation, row, 1))] : [],
  );
  const messages: number[] = [];
  for (let start = 0; start < seconds.length; start += packSeconds) {
    const packed = seconds.slice(start, start + packSeconds).flat();
    const first = packed[0]?.sequence ?? 0;
    const last = packed.at(-1)?.sequence ?? 0;
    const message = { format: batchFormat, serverId, incarnation, base: first, first, last, rows: packed };
    messages.push(Buffer.byteLength(JSON.stringify(message)));
  }
  return {
    executionBytes: mean(executions),
    executionWriteUnits: mean(executions.map(writeUnits)),
    windowBytes: mean(windowItems),
    windowWriteUnits: mean(windowItems.map(writeUnits)),
    messageBytes: mean(messages),
  };
}

function execution(
  sequence: number,
  of: Pick<ExecutionRow, "epoch" | "executionId" | "queryId" | "executedAt" | "tick">,
): ExecutionRow {
  return { type: "execution", sequence, ...of, arrivedAt: of.executedAt - 1_700, delayTicks: 17 };
}

function window(
  sequence: number,
  of: Pick<WindowRow, "epoch" | "endedAt" | "firstTick" | "queries" | "ticks">,
): WindowRow {
  const band = { average: 112, min: 101, max: 123 };
  return {
    type: "window",
    sequence,
    ...of,
    tickMs: 100,
    bounds: "exact",
    metrics: { cpu: band, io: band, memory: band },
  };
}

/** Knuth's method: multiplies uniforms until they fall below e^-mean. */
function poisson(mean: number, random: () => number): number {
  const limit = Math.exp(-mean);
  let product = random();
  let count = 0;
  while (product > limit) {
    product *= random();
    count++;
  }
  return count;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
