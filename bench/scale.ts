/** How far recording goes: the recorder's own code at any rate, against a model of AWS's quotas, in virtual time. */
import { parseArgs } from "node:util";
import { recordExecutions } from "../lambdas/workload/constants.ts";
import { createRecorder, type QueueMessage } from "../lambdas/workload/record-executions/recorder.ts";
import { defaultTuning } from "../platform/sender.ts";
import { createRandom } from "../sim-server/database/random.ts";
import { FakeClock } from "../test/support/clock.ts";
import { createLoad, type Load } from "./scale/load.ts";
import { measureProcessor } from "./scale/processor.ts";
import { createStore, defaultQuotas, type Quotas } from "./scale/quotas.ts";
import { positive, print, quantile, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `How far recording goes, in virtual time: senders' packing, message groups, function and tables with AWS's quotas.
The recorder is the real one; a queue delivers to it as a FIFO mapping does, one batch of 10 a group at a time.

  bench scale [options]

  --rate <n>             executions a second, of all servers (100000)
  --servers <n>          that share them (100)
  --seconds <n>          virtual; figures are of the second half (10)
  --table-units <n>      write units a second of a table (${defaultQuotas.tableUnits}: the default quota)
  --partition-units <n>  of one partition key (${defaultQuotas.partitionUnits})
  --concurrency <n>      of functions (${defaultQuotas.concurrency}: the default quota)
  --processor <rows>     instead: measure the processor time of a row, recorder, SDK and HTTP, over so many rows
  --seed <n>             (1)
  --json                 one JSON line for machines
`;

export interface ScaleOptions {
  readonly rate: number;
  readonly servers: number;
  readonly seconds: number;
  readonly seed: number;
  readonly quotas: Quotas;
}

export async function scale(args: string[]): Promise<void> {
  const text = (fallback: number | string) => ({ type: "string", default: String(fallback) }) as const;
  const { values } = parseArgs({
    args,
    options: {
      rate: text(100_000),
      servers: text(100),
      seconds: text(10),
      "table-units": text(defaultQuotas.tableUnits),
      "partition-units": text(defaultQuotas.partitionUnits),
      concurrency: text(defaultQuotas.concurrency),
      processor: { type: "string" },
      seed: text(1),
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(help);
  const seed = wholeNumber("seed", values.seed, 0xffffffff);
  if (values.processor !== undefined) {
    const rows = Math.max(1, wholeNumber("processor", values.processor, 10_000_000));
    return print(await measureProcessor(rows, seed), values.json);
  }
  const result = await simulate({
    rate: positive("rate", values.rate),
    servers: Math.max(1, wholeNumber("servers", values.servers, 10_000)),
    seconds: positive("seconds", values.seconds),
    seed,
    quotas: {
      ...defaultQuotas,
      tableUnits: positive("table-units", values["table-units"]),
      partitionUnits: positive("partition-units", values["partition-units"]),
      concurrency: positive("concurrency", values.concurrency),
    },
  });
  print(result, values.json);
}

/** Runs the load for so many virtual seconds; figures are of the second half. */
export async function simulate({ rate, servers, seconds, seed, quotas }: ScaleOptions) {
  const clock = new FakeClock();
  const random = createRandom(seed);
  const { document, counted } = createStore(quotas, clock);
  const recorder = createRecorder({
    document,
    tables: { executions: "executions", windows: "windows", servers: "servers" },
    deadLetters: async () => {},
    now: () => clock.now(),
    sleep: (ms) => clock.sleep(ms),
    random: () => random.uniform(),
    warn: () => {},
  });
  const loads = Array.from({ length: servers }, () => createLoad(rate / servers, clock, random));
  const queue = new Map<string, { load: Load; messages: QueueMessage[]; busy: boolean }>();
  const late: number[] = [];
  const seen = { rows: 0, messages: 0, invocations: 0, failed: 0, concurrency: 0, mostConcurrency: 0 };
  const half = (seconds * 1_000) / 2;
  const measured = () => clock.monotonic() >= half;

  /** As the mapping: while a group has messages, one batch of it after the other. */
  async function drain(group: { load: Load; messages: QueueMessage[]; busy: boolean }): Promise<void> {
    group.busy = true;
    while (group.messages.length > 0) {
      while (seen.concurrency >= quotas.concurrency) await clock.sleep(50);
      const batch = group.messages.splice(0, recordExecutions.batchSize);
      seen.concurrency++;
      seen.mostConcurrency = Math.max(seen.mostConcurrency, seen.concurrency);
      const { failed, rows, oldestAt } = await recorder.record(batch, new AbortController().signal);
      await clock.sleep((rows * quotas.cpuUsPerRow) / 1_000);
      seen.concurrency--;
      // What failed would come again after its visibility time-out; here it goes back to the head of its group.
      group.messages.unshift(...batch.filter(({ messageId }) => failed.includes(messageId)));
      if (measured()) {
        seen.rows += rows;
        seen.messages += batch.length;
        seen.invocations++;
        seen.failed += failed.length;
        if (oldestAt !== undefined) late.push((clock.now() - oldestAt) / 1_000);
      }
      void clock.sleep(defaultTuning.pollMs).then(() => group.load.recorded(batch.length - failed.length));
    }
    group.busy = false;
  }

  for (let round = 0; round < seconds * 10; round++) {
    for (const load of loads) {
      for (const message of load.round()) {
        const group = queue.get(message.group) ?? { load, messages: [], busy: false };
        queue.set(message.group, group);
        group.messages.push(message);
        if (!group.busy) void drain(group);
      }
    }
    await clock.advance(100);
  }
  const perSecond = (count: number) => rounded(count / (seconds / 2), 1);
  const waiting = loads.reduce((sum, load) => sum + load.waiting, 0);
  const full = loads.reduce((sum, load) => sum + load.fullRounds, 0) / (servers * seconds * 10);
  const tried = counted.written + counted.throttledByPartition + counted.throttledByTable;
  const result = {
    rate,
    servers,
    recordedPerSecond: perSecond(seen.rows),
    secondsToRowP50: rounded(quantile(late, 0.5), 2),
    secondsToRowP99: rounded(quantile(late, 0.99), 2),
    messagesPerSecond: perSecond(seen.messages),
    invocationsPerSecond: perSecond(seen.invocations),
    concurrencyMost: seen.mostConcurrency,
    throttledByPartition: rounded(counted.throttledByPartition / tried, 3),
    throttledByTable: rounded(counted.throttledByTable / tried, 3),
    senderFull: rounded(full, 3),
    waitingEnd: waiting,
    messagesFailed: seen.failed,
  };
  return { ...result, limit: limitOf(result, quotas) };
}

/** What holds it back first; "none" when all is recorded as fast as it runs. */
function limitOf(
  of: { throttledByPartition: number; throttledByTable: number; senderFull: number; concurrencyMost: number },
  quotas: Quotas,
): string {
  if (of.throttledByTable > 0.01) return "the table's write units";
  if (of.throttledByPartition > 0.01) return "write units of one query's partition";
  if (of.concurrencyMost >= quotas.concurrency) return "concurrency of functions";
  if (of.senderFull > 0.01) return "the sender: four groups, 96 messages without a receipt";
  return "none";
}
