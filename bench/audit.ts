/** `bench audit`: what an audit costs after so many executions, on a table that is made up as it is read. */
import { parseArgs } from "node:util";
import { SQSClient } from "@aws-sdk/client-sqs";
import { auditServer } from "../platform/audit.ts";
import { partitionEnd, receiptItem, receiptSpan } from "../platform/tables/receipts.ts";
import { askedFor, documentAnsweredBy } from "../test/support/document.ts";
import { serverInfo } from "../test/support/server-info.ts";
import { print, rounded, wholeNumber } from "./smoothing/options.ts";

const help = `What an audit reads and how long it works on that, without the network; receipts only, as it does unless asked for --deep.

  bench audit [options]

  --executions <n>   recorded by one server (100000000)
  --per-receipt <n>  executions in a message, and so in a receipt: 40 at 15 a second, 270 under load (40)
  --json             one JSON line for machines
`;

/** What one answer to a query holds at most, and what of it a read unit pays, strongly consistent (DynamoDB). */
const pageBytes = 2 ** 20;
const unitBytes = 4_096;
/** On demand, us-east-1. */
const usdPerUnit = 0.125e-6;

/** Called by `bench/main.ts`. */
export async function audit(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      executions: { type: "string", default: "100000000" },
      "per-receipt": { type: "string", default: "40" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false, short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const executions = wholeNumber("executions", values.executions, 1e11);
  const perReceipt = wholeNumber("per-receipt", values["per-receipt"], receiptSpan);
  const read = { requests: 0, bytes: 0, receipts: 0 };
  const started = performance.now();
  const cpu = process.cpuUsage();
  let peak = 0;
  const result = await auditServer({
    document: documentAnsweredBy((command, input) => {
      if (command !== "QueryCommand") throw new Error(`an audit does not ask for ${command}`);
      read.requests++;
      peak = Math.max(peak, process.memoryUsage().rss);
      const [, , span, kind] = askedFor(input).partition.split("#");
      if (kind !== "receipts") return { Items: [] };
      const { at } = Object(input.ExclusiveStartKey ?? {});
      const from = at === undefined ? Number(span) * partitionLength : Number(String(at).split("#")[1]) + 1;
      const page = pageFrom(from, executions, perReceipt);
      read.bytes += page.bytes;
      read.receipts += page.Items.length;
      return page;
    }),
    sqs: noQueue(),
    names: {
      EVENKEEL_EXECUTIONS_TABLE: "executions",
      EVENKEEL_WINDOWS_TABLE: "windows",
      EVENKEEL_SERVERS_TABLE: "servers",
      EVENKEEL_QUEUE_URL: "http://localhost:1/queue",
      EVENKEEL_DLQ_URL: "http://localhost:1/dlq",
    },
    server: serverInfo("server", {
      tick: 0,
      outbox: { incarnation, lastSequence: executions, recordedThrough: executions },
      counted: { executions, windows: 0, gaps: 0 },
    }),
    now,
  });
  if (!result.complete) throw new Error("the audit does not find what is there");
  const { user, system } = process.cpuUsage(cpu);
  const units = Math.ceil(read.bytes / unitBytes);
  print(
    {
      executions,
      receipts: read.receipts,
      requests: read.requests,
      megabytes: rounded(read.bytes / 1e6, 0),
      readUnits: units,
      usd: rounded(units * usdPerUnit, 4),
      seconds: rounded((performance.now() - started) / 1_000, 1),
      cpuSeconds: rounded((user + system) / 1e6, 1),
      peakMegabytes: rounded(peak / 1e6, 0),
    },
    values.json,
  );
}

const incarnation = "01234567-0123-4123-8123-0123456789ab";
const now = Date.UTC(2026, 0, 1);
const partitionLength = partitionEnd(0) + 1;

/** Receipts of `perReceipt` executions each from 1 on: those of a partition that begin at `from` or later, a page of them. */
function pageFrom(from: number, executions: number, perReceipt: number) {
  const Items: object[] = [];
  let bytes = 0;
  const end = Math.min(executions, partitionEnd(from));
  let first = Math.ceil(Math.max(0, from - 1) / perReceipt) * perReceipt + 1;
  for (; first <= end && bytes < pageBytes; first += perReceipt) {
    const range = { first, last: Math.min(executions, first + perReceipt - 1) };
    const item = receiptItem("server", incarnation, range, now, 30 * 86_400, Math.floor(now / 1_000) + 86_400);
    Items.push(item);
    bytes += itemBytes(item);
  }
  const { key, at } = Object(Items.at(-1) ?? {});
  return { Items, bytes, ...(first <= end && { LastEvaluatedKey: { key, at } }) };
}

/** As DynamoDB counts: names and texts in bytes, a number about one byte for two digits and one more. */
function itemBytes(item: object): number {
  return Object.entries(item).reduce((sum, [name, value]) => {
    const text = String(value).length;
    return (
      sum + name.length + (typeof value === "string" ? text : typeof value === "number" ? Math.ceil(text / 2) + 1 : 1)
    );
  }, 0);
}

function noQueue(): SQSClient {
  const sqs = new SQSClient({ region: "us-east-1", credentials: { accessKeyId: "none", secretAccessKey: "none" } });
  sqs.middlewareStack.add(() => async () => ({ output: { $metadata: {}, Attributes: {} }, response: {} }), {
    step: "initialize",
    priority: "high",
  });
  return sqs;
}
