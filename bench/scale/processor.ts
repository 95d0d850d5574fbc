/** What a row costs the recorder in processor time, measured: its own code, the SDK's and the HTTP client's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { recordExecutions } from "../../lambdas/workload/constants.ts";
import { createRecorder, type QueueMessage } from "../../lambdas/workload/record-executions/recorder.ts";
import { createDocument } from "../../platform/aws.ts";
import { systemClock } from "../../platform/clock.ts";
import { createRandom } from "../../sim-server/database/random.ts";
import { FakeClock } from "../../test/support/clock.ts";
import { rounded } from "../smoothing/options.ts";
import { createLoad } from "./load.ts";

/** A function has a core's share by its memory: a whole one at 1,769 MB (AWS Lambda's guide, "Configure memory"). */
const megabytesOfACore = 1_769;

/**
 * Records so many rows through the real SDK in tables that another process stands for, after as many to warm up.
 * Microseconds of this machine's processor, user and system time of this process alone.
 */
export async function measureProcessor(rows: number, seed: number) {
  const child = spawn(process.execPath, [new URL("./tables-that-take-all.ts", import.meta.url).pathname], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(createInterface({ input: child.stdout }), "line");
    const endpoint = String(line).replace("listening ", "");
    const keys = { AWS_ACCESS_KEY_ID: "bench", AWS_SECRET_ACCESS_KEY: "bench", AWS_REGION: "us-east-1" };
    const document = createDocument({ AWS_ENDPOINT_URL: endpoint, ...keys });
    const recorder = createRecorder({
      document,
      tables: { executions: "executions", windows: "windows", servers: "servers" },
      deadLetters: async () => {},
      now: Date.now,
      sleep: (ms) => systemClock.sleep(ms),
      random: Math.random,
      warn: () => {},
    });
    const next = messagesOf(seed);
    const record = async (upTo: number): Promise<number> => {
      let recorded = 0;
      while (recorded < upTo) {
        const messages = await next();
        recorded += (await recorder.record(messages, new AbortController().signal)).rows;
      }
      return recorded;
    };
    await record(rows);
    const batches: QueueMessage[][] = [];
    for (let held = 0; held < rows; ) {
      const messages = await next();
      batches.push(messages);
      held += messages.reduce((sum, { rowCount }) => sum + rowCount, 0);
    }
    const before = process.cpuUsage();
    let recorded = 0;
    for (const batch of batches) recorded += (await recorder.record(batch, new AbortController().signal)).rows;
    const { user, system } = process.cpuUsage(before);
    const perRow = (user + system) / recorded;
    document.destroy();
    return {
      rows: recorded,
      cpuUsPerRow: rounded(perRow, 1),
      functionUsPerRow: rounded((perRow * megabytesOfACore) / recordExecutions.memoryMegabytes, 0),
    };
  } finally {
    child.kill();
  }
}

/** Batches as a mapping delivers them, of a busy sender's messages. */
function messagesOf(seed: number): () => Promise<(QueueMessage & { rowCount: number })[]> {
  const clock = new FakeClock(Date.now());
  const load = createLoad(10_000, clock, createRandom(seed));
  const waiting: QueueMessage[] = [];
  return async () => {
    while (waiting.length < recordExecutions.batchSize) {
      const made = load.round();
      waiting.push(...made);
      load.recorded(made.length);
      await clock.advance(100);
    }
    return waiting.splice(0, recordExecutions.batchSize).map((message) => ({
      ...message,
      rowCount: message.body.split('"type":"execution"').length - 1,
    }));
  };
}
