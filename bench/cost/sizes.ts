/** How large items and messages are, taken from what the system itself builds. */
import { createMetrics } from "../../platform/metrics.ts";
import { receiptItem } from "../../platform/tables/receipts.ts";

/**
 * Bytes that DynamoDB counts for an item: UTF-8 names and texts; numbers one byte per two significant digits and one
 * more; lists and maps 3 bytes and one per element. Source: Amazon DynamoDB Developer Guide, "Item sizes and formats".
 */
export function itemBytes(item: object): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value === "number") return numberBytes(value);
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + 1 + valueBytes(element), 3);
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    return entries.reduce((sum, [name, inner]) => sum + 1 + Buffer.byteLength(name) + valueBytes(inner), 3);
  }
  return 1;
}

function numberBytes(value: number): number {
  const [mantissa = ""] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "").replace(/0+$/, "").length;
  return Math.ceil(digits / 2) + 1 + (value < 0 ? 1 : 0);
}

/** Bytes that CloudWatch Logs counts for the recorder's line of an invocation with one message: 26 are added to each. */
export function recorderLogBytes(): number {
  let bytes = 26;
  const publish = createMetrics("record-executions", { EVENKEEL_METRICS: "emf", EVENKEEL_STAGE: "main" }, (line) => {
    bytes += Buffer.byteLength(line);
  });
  const id = "a".repeat(36);
  const batch = { messageId: id, serverId: id, incarnation: id, first: 1_000_000_000, last: 1_000_000_099 };
  const counts = { messages: 1, failed: 0, rows: 100, deadLetters: 0 };
  const fields = { message: "recorded", function_request_id: id, ...counts, batches: [batch] };
  publish?.({ SecondsToRow: 2.345 }, fields);
  return bytes;
}

export function writeUnits(bytes: number): number {
  return Math.ceil(bytes / 1_024);
}

/** Of the two that a message leaves, one in each table. */
export const receiptUnits =
  2 *
  writeUnits(
    itemBytes(receiptItem("a".repeat(36), "b".repeat(36), { first: 1e9, last: 1e9 + 99 }, 1.8e12 + 1, 1, 1.8e9)),
  );
