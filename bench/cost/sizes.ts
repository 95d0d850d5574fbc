/** How large items and messages are, taken from what the system itself builds. */
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

export function writeUnits(bytes: number): number {
  return Math.ceil(bytes / 1_024);
}

/** Of the two that a message leaves, one in each table. */
export const receiptUnits =
  2 *
  writeUnits(
    itemBytes(receiptItem("a".repeat(36), "b".repeat(36), { first: 1e9, last: 1e9 + 99 }, 1.8e12 + 1, 1, 1.8e9)),
  );
