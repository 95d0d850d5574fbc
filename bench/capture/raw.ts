import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createDocument } from "../../platform/aws.ts";
import { parseEnvironment } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { batchWrite } from "../../platform/tables/batch-write.ts";
import { executionItem } from "../../platform/tables/executions.ts";
import { rounded } from "../smoothing/options.ts";

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
 */
export async function rawRate(
  environment: Readonly<Record<string, string | undefined>>,
  times: () => Times,
): Promise<{ perSecond: number; processor: Times }> {
  const { EVENKEEL_EXECUTIONS_TABLE: table } = parseEnvironment(
    workloadEnvironment.pick({ EVENKEEL_EXECUTIONS_TABLE: true }),
    environment,
  );
  const document = createDocument(environment);
  const [incarnation, epoch] = [randomUUID(), randomUUID()];
  const queries = Array.from({ length: 200 }, () => randomUUID());
  const writes = Array.from({ length: items }, (_, index) => {
    const executedAt = Date.now() + index;
    const item = executionItem(
      "raw",
      incarnation,
      {
        type: "execution",
        sequence: index + 1,
        epoch,
        executionId: randomUUID(),
        queryId: queries[index % queries.length] ?? "",
        arrivedAt: executedAt - 100,
        executedAt,
        tick: Math.floor(index / 15),
        delayTicks: 1,
      },
      1_000_000,
    );
    return { table, identity: item.at, item };
  });
  const options = { sleep: (ms: number) => sleep(ms), random: Math.random, concurrency };
  await batchWrite(document, writes.slice(0, 2_000), options);
  const before = times();
  const start = performance.now();
  await batchWrite(document, writes, options);
  const seconds = (performance.now() - start) / 1_000;
  const after = times();
  document.destroy();
  return {
    perSecond: items / seconds,
    processor: {
      sender: rounded((after.sender - before.sender) / items, 1),
      emulator: rounded((after.emulator - before.emulator) / items, 1),
    },
  };
}
