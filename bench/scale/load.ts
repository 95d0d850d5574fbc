/** Servers that execute so much, and their senders: what is packed when, in which groups, and when it counts as recorded. */
import { randomUUID } from "node:crypto";
import type { QueueMessage } from "../../lambdas/workload/record-executions/recorder.ts";
import type { Clock } from "../../platform/clock.ts";
import { defaultTuning } from "../../platform/sender.ts";
import { batchFormat, type ExecutionRow } from "../../platform/wire.ts";
import type { Random } from "../../sim-server/database/random.ts";

/** Groups of a sender's first sends. */
const groups = 4;
const queries = 100;

export interface Load {
  readonly serverId: string;
  /** Executions that wait for room among the messages without a receipt. */
  readonly waiting: number;
  /** Rounds in which that room was full. */
  readonly fullRounds: number;
  /** A tenth of a second of the server's and its sender's work. */
  round(): QueueMessage[];
  recorded(messages: number): void;
}

export function createLoad(rate: number, clock: Clock, random: Random): Load {
  const serverId = randomUUID();
  const incarnation = randomUUID();
  const epoch = randomUUID();
  /** Upper ends of the queries' shares of 0..1. */
  const shares = sharesOf(Array.from({ length: queries }, () => -Math.log(1 - random.uniform())));
  const ids = shares.map(() => randomUUID());
  const pick = (): string => {
    const at = random.uniform();
    return ids[shares.findIndex((end) => at <= end)] ?? ids[0] ?? "";
  };
  const row = (sequence: number, executedAt: number): ExecutionRow => ({
    type: "execution",
    sequence,
    epoch,
    executionId: randomUUID(),
    queryId: pick(),
    arrivedAt: executedAt - 1_700,
    executedAt,
    tick: Math.floor(executedAt / 100),
    delayTicks: 17,
  });
  const rowBytes = Buffer.byteLength(JSON.stringify(row(1_000_000, clock.now()))) + 1;
  const rowsPerMessage = Math.min(
    defaultTuning.maxMessageRows,
    Math.floor((defaultTuning.maxMessageBytes - 300) / rowBytes),
  );
  const due: { at: number; count: number }[] = [];
  let [sequence, owed, inFlight, group, fullRounds] = [1, 0, 0, 0, 0];
  let nextPack = random.uniform() * defaultTuning.packMs;
  let waiting = 0;

  function message(): QueueMessage {
    const rows: ExecutionRow[] = [];
    while (rows.length < rowsPerMessage && due[0]) {
      rows.push(row(sequence++, due[0].at));
      if (--due[0].count === 0) due.shift();
    }
    waiting -= rows.length;
    const [first, last] = [rows[0]?.sequence ?? 0, rows.at(-1)?.sequence ?? 0];
    const body = JSON.stringify({ format: batchFormat, serverId, incarnation, base: first, first, last, rows });
    return { messageId: randomUUID(), group: `${serverId}#${group++ % groups}`, body };
  }

  return {
    serverId,
    get waiting() {
      return waiting;
    },
    get fullRounds() {
      return fullRounds;
    },
    round() {
      owed += rate / 10;
      const count = Math.floor(owed);
      owed -= count;
      if (count > 0) due.push({ at: clock.now(), count });
      waiting += count;
      const messages: QueueMessage[] = [];
      const timely = clock.monotonic() >= nextPack;
      while (waiting >= rowsPerMessage || (timely && waiting > 0 && messages.length === 0)) {
        if (inFlight >= defaultTuning.window) {
          fullRounds++;
          break;
        }
        messages.push(message());
        nextPack = clock.monotonic() + defaultTuning.packMs;
        inFlight++;
      }
      return messages;
    },
    recorded(messages) {
      inFlight -= messages;
    },
  };
}

function sharesOf(weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let end = 0;
  return weights.map((weight) => {
    end += weight / total;
    return end;
  });
}
