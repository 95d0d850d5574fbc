import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createDocument } from "../../platform/aws.ts";
import { parseEnvironment } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { batchWrite } from "../../platform/tables/batch-write.ts";
import { executionItem } from "../../platform/tables/executions.ts";
import { rounded } from "../smoothing/options.ts";

/** Written at once. */
const items = 20_000;
/** Requests in flight: more do not make it faster. */
const concurrency = 8;

/** Microseconds of processor, since some time before. */
interface Times {
  readonly sender: number;
  readonly emulator: number;
}

/**
 * Items of executions that the table takes a second when nothing else is asked of it, under another server's name; and
 * the processor time of one.
 * @param forMs how long to write, at least 20,000 items
 */
export async function rawRate(
  environment: Readonly<Record<string, string | undefined>>,
  times: () => Times,
  forMs: number,
): Promise<{ perSecond: number; processor: Times }> {
  const { EVENKEEL_EXECUTIONS_TABLE: table } = parseEnvironment(
    workloadEnvironment.pick({ EVENKEEL_EXECUTIONS_TABLE: true }),
    environment,
  );
  const document = createDocument(environment);
  const [incarnation, epoch] = [randomUUID(), randomUUID()];
  const queries = Array.from({ length: 200 }, () => randomUUID());
  let made = 0;
  const make = () => {
    const sequence = ++made;
    const executedAt = Date.now();
    const item = executionItem(
      "raw",
      incarnation,
      {
        type: "execution",
        sequence,
        epoch,
        executionId: randomUUID(),
        queryId: queries[sequence % queries.length] ?? "",
        arrivedAt: executedAt - 100,
        executedAt,
        tick: Math.floor(sequence / 15),
        delayTicks: 1,
      },
      1_000_000,
    );
    return { table, identity: item.at, item };
  };
  const options = { sleep: (ms: number) => sleep(ms), random: Math.random, concurrency };
  await batchWrite(document, Array.from({ length: 2_000 }, make), options);
  let [seconds, written] = [0, 0];
  const used = { sender: 0, emulator: 0 };
  while (seconds === 0 || seconds * 1_000 < forMs) {
    const writes = Array.from({ length: items }, make);
    const before = times();
    const start = performance.now();
    await batchWrite(document, writes, options);
    seconds += (performance.now() - start) / 1_000;
    const after = times();
    used.sender += after.sender - before.sender;
    used.emulator += after.emulator - before.emulator;
    written += writes.length;
  }
  document.destroy();
  return {
    perSecond: written / seconds,
    processor: { sender: rounded(used.sender / written, 1), emulator: rounded(used.emulator / written, 1) },
  };
}
