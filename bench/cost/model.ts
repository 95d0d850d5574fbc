/** What a deployment with one server costs a month, part by part, from rates, sizes and prices. */
import { prices } from "../prices.ts";
import type { Traffic } from "./traffic.ts";

/** 365 / 12 days. */
export const monthSeconds = 2_628_000;

/** What is neither a price nor built by our code; each with where it comes from. */
export const assumptions = {
  /** Long polls of 20 s that a mapping keeps open when idle (AWS: "begins with five concurrent batches"). */
  idlePollers: 5,
  pollSeconds: 20,
  /** Two DynamoDB requests one after the other, and parsing. */
  recordSeconds: 0.06,
  recordGigabytes: 0.5,
  /** Scenario `default` after 20 minutes, half a core. */
  estimateSeconds: 2,
  estimateGigabytes: 1,
  /** One JSON line of the recorder's, and CloudWatch's 26 bytes. */
  logBytesPerInvocation: 500,
  /** Cost items written a minute: scenario `default` after 20 minutes, falling. */
  costWritesPerMinute: 10,
  /** The lease of 4 s is renewed after a third of it; costs' version and knobs are read every 2 s. */
  leaseWritesPerSecond: 0.75,
  schedulerReadUnitsPerSecond: 0.75,
  /** The sender asks each of the two tables once, 500 ms after a message: strongly consistent, what is under way and the newest. */
  receiptReadsPerMessage: 2,
  alarms: 3,
  historyDays: 14,
  /** DynamoDB adds this to each item that it stores. */
  storedOverheadBytes: 100,
} as const;

export interface CostInput {
  /** Executions a second. */
  readonly rate: number;
  /** Messages a second. */
  readonly messages: number;
  readonly traffic: Traffic;
  readonly receiptUnits: number;
}

/** USD a month, by part. */
export type CostParts = Readonly<Record<(typeof partNames)[number], number>>;
export const partNames = [
  "executionWrites",
  "windowWrites",
  "receipts",
  "queue",
  "recorder",
  "estimator",
  "scheduler",
  "logs",
  "alarms",
  "storage",
] as const;

/** The parts on an execution's way into the table. */
export const recordingParts = ["executionWrites", "windowWrites", "receipts", "queue", "recorder"] as const;

export function costParts({ rate, messages, traffic, receiptUnits }: CostInput): CostParts {
  const of = assumptions;
  const perMonth = (perSecond: number): number => perSecond * monthSeconds;
  const write = (unitsPerSecond: number): number => perMonth(unitsPerSecond) * prices.dynamoWriteUnit;
  const read = (unitsPerSecond: number): number => perMonth(unitsPerSecond) * prices.dynamoReadUnit;
  const lambda = (perSecond: number, seconds: number, gigabytes: number): number =>
    perMonth(perSecond) * (prices.lambdaRequest + seconds * gigabytes * prices.lambdaGigabyteSecond);
  // Sent alone (the pack time is over), received alone, deleted alone; a request for each 64 KiB of payload.
  const payload = Math.ceil(traffic.messageBytes / 65_536);
  const queueRequests = messages * (2 * payload + 1) + of.idlePollers / of.pollSeconds;
  const runs = 1 / 60;
  // The minute's run requests a server's run by an event, so there are two. It reads the new windows and the look-back.
  const windowReads = ((6 * 60 * traffic.windowBytes) / 4_096 / 2) * runs;
  const storedBytes =
    rate * (traffic.executionBytes + of.storedOverheadBytes) + traffic.windowBytes + of.storedOverheadBytes;
  const storedGigabytes = (storedBytes * of.historyDays * 86_400) / 1e9;
  return {
    executionWrites: write(rate * traffic.executionWriteUnits),
    windowWrites: write(traffic.windowWriteUnits),
    receipts: write(messages * receiptUnits) + read(messages * of.receiptReadsPerMessage),
    queue: perMonth(queueRequests) * prices.sqsFifoRequest,
    recorder: lambda(messages, of.recordSeconds, of.recordGigabytes),
    estimator:
      lambda(runs, of.estimateSeconds, of.estimateGigabytes) +
      lambda(runs, 0.1, of.estimateGigabytes) +
      write(runs * (2 + of.costWritesPerMinute)) +
      read(windowReads + 2 * runs) +
      perMonth(runs) * (prices.s3Put + prices.s3Get + prices.customEvent),
    scheduler: write(of.leaseWritesPerSecond) + read(of.schedulerReadUnitsPerSecond),
    logs: (perMonth(messages + 2 * runs) * of.logBytesPerInvocation * prices.logGigabyte) / 1e9,
    alarms: of.alarms * prices.alarmMonth,
    storage: storedGigabytes * (prices.dynamoGigabyteMonth + prices.dynamoRecoveryGigabyteMonth),
  };
}

export function total(parts: CostParts): number {
  return partNames.reduce((sum, name) => sum + parts[name], 0);
}
