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
  /** With nothing new but windows in which nothing ran (0.5 s of a core), and in scenario `default` after 20 minutes; half a core. */
  idleEstimateSeconds: 0.9,
  estimateSeconds: 2,
  estimateGigabytes: 1,
  /** Cost items written a minute: scenario `default` after 20 minutes, falling. */
  costWritesPerMinute: 10,
  /** The lease of 4 s is renewed after a third of it; costs' version and knobs are read every 2 s. */
  leaseWritesPerSecond: 0.75,
  schedulerReadUnitsPerSecond: 0.75,
  /** Its plan, once a minute: how often each of a hundred queries came, 5 KB. */
  planWriteUnitsPerSecond: 5 / 60,
  /**
   * The sender asks each of the two tables once, 500 ms after a message: strongly consistent, what is under way and the newest;
   * and one time in twenty the partition before, too.
   */
  receiptReadsPerMessage: 2.1,
  /** Six alarms and two metrics of the workload, three and four of each scheduler. No dashboard. */
  alarms: 9,
  metrics: 6,
  /** The scheduler's task. */
  taskCpus: 0.25,
  taskGigabytes: 0.5,
  imageGigabytes: 0.1,
  /** A line a minute. */
  schedulerLogBytesPerSecond: 10,
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
  /** Of the recorder's line of an invocation. */
  readonly logBytes: number;
}

/** USD a month, by part. */
export type CostParts = Readonly<Record<(typeof partNames)[number], number>>;
export const partNames = [
  "executionWrites",
  "windowWrites",
  "receipts",
  "queue",
  "recorder",
  "costWrites",
  "estimator",
  "scheduler",
  "container",
  "publicAddress",
  "monitoring",
  "secret",
  "storage",
] as const;

/** What capture costs: an execution's way into its table, windows, receipts, function and its log, and costs when they change. */
export const captureParts = ["executionWrites", "windowWrites", "receipts", "queue", "recorder", "costWrites"] as const;

export function costParts({ rate, messages, traffic, receiptUnits, logBytes }: CostInput): CostParts {
  const of = assumptions;
  const perMonth = (perSecond: number): number => perSecond * monthSeconds;
  const write = (unitsPerSecond: number): number => perMonth(unitsPerSecond) * prices.dynamoWriteUnit;
  const read = (unitsPerSecond: number): number => perMonth(unitsPerSecond) * prices.dynamoReadUnit;
  const lambda = (perSecond: number, seconds: number, gigabytes: number): number =>
    perMonth(perSecond) * (prices.lambdaRequest + seconds * gigabytes * prices.lambdaGigabyteSecond);
  const log = (bytesPerSecond: number): number => (perMonth(bytesPerSecond) * prices.logGigabyte) / 1e9;
  const hours = monthSeconds / 3_600;
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
    recorder: lambda(messages, of.recordSeconds, of.recordGigabytes) + log(messages * logBytes),
    costWrites: rate > 0 ? write(runs * of.costWritesPerMinute) : 0,
    estimator:
      lambda(runs, rate > 0 ? of.estimateSeconds : of.idleEstimateSeconds, of.estimateGigabytes) +
      lambda(runs, 0.1, of.estimateGigabytes) +
      write(runs * 2) +
      read(windowReads + 2 * runs) +
      perMonth(runs) * (prices.s3Put + prices.s3Get + prices.customEvent) +
      log(2 * runs * logBytes),
    scheduler:
      write(of.leaseWritesPerSecond + of.planWriteUnitsPerSecond) +
      read(of.schedulerReadUnitsPerSecond) +
      log(of.schedulerLogBytesPerSecond),
    container:
      hours * (of.taskCpus * prices.fargateCpuHour + of.taskGigabytes * prices.fargateGigabyteHour) +
      of.imageGigabytes * prices.imageGigabyteMonth,
    publicAddress: hours * prices.publicAddressHour,
    monitoring: of.alarms * prices.alarmMonth + of.metrics * prices.metricMonth,
    secret: prices.secretMonth,
    storage: storedGigabytes * (prices.dynamoGigabyteMonth + prices.dynamoRecoveryGigabyteMonth),
  };
}

/** What processes of a fleet need beside their servers: each a task of a core and 2 GB. */
export const fleetAssumptions = {
  taskCpus: 1,
  taskGigabytes: 2,
  /** A process tells of itself every 0.5 s and reads who else does, 250 bytes each. */
  beatsPerSecond: 2,
  memberBytes: 250,
  /** It reads the table of servers every 10 s: a registration of 150 bytes, and one of each outbox's incarnations. */
  scansPerSecond: 0.1,
  bytesPerServer: 300,
  /** Of the whole fleet. */
  alarms: 5,
  metrics: 6,
} as const;

/** USD a month of a fleet of schedulers; `requests` are those of all servers' leases, plans, costs and knobs. */
export function fleetCost(servers: number, tasks: number) {
  const { leaseWritesPerSecond, planWriteUnitsPerSecond, schedulerReadUnitsPerSecond } = assumptions;
  const of = fleetAssumptions;
  const hours = monthSeconds / 3_600;
  const read = (unitsPerSecond: number) => unitsPerSecond * monthSeconds * prices.dynamoReadUnit;
  const write = (unitsPerSecond: number) => unitsPerSecond * monthSeconds * prices.dynamoWriteUnit;
  const task = of.taskCpus * prices.fargateCpuHour + of.taskGigabytes * prices.fargateGigabyteHour;
  const members = Math.ceil((tasks * of.memberBytes) / 4_096);
  const scan = Math.ceil((servers * of.bytesPerServer) / 4_096);
  const parts = {
    tasks: tasks * hours * (task + prices.publicAddressHour),
    requests: servers * (write(leaseWritesPerSecond + planWriteUnitsPerSecond) + read(schedulerReadUnitsPerSecond)),
    division: tasks * (write(of.beatsPerSecond) + read(of.beatsPerSecond * members) + read(of.scansPerSecond * scan)),
    monitoring: of.alarms * prices.alarmMonth + of.metrics * prices.metricMonth,
  };
  return { ...parts, all: Object.values(parts).reduce((sum, part) => sum + part, 0) };
}

export function total(parts: CostParts): number {
  return partNames.reduce((sum, name) => sum + parts[name], 0);
}
