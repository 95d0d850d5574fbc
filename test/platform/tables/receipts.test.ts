import { describe, expect, it } from "@jest/globals";
import { readReceipts, receiptItem, receiptSpan } from "../../../platform/tables/receipts.ts";
import { askedFor, documentAnsweredBy } from "../../support/document.ts";

const tables = { executions: "executions", windows: "windows" };
const receipt = (first: number, last: number) => receiptItem("s", "i", { first, last }, 5_000, 60, 30);

/** Tables with these receipts, and what they were asked. */
function holding(items: Readonly<Record<string, readonly object[]>>) {
  const asked: Readonly<Record<string, unknown>>[] = [];
  const document = documentAnsweredBy((_, input) => {
    asked.push(input);
    return { Items: items[String(input.TableName)] ?? [] };
  });
  return { document, asked };
}

describe("receipts", () => {
  it("stand beside rows, under their incarnation", () => {
    expect(receipt(3, 12)).toMatchObject({
      key: "s#i#receipts",
      at: "000000000003#000000000012",
      expiresAt: 65,
      rowsExpireAt: 30,
    });
  });

  it("are no longer than readers look back", () => {
    expect(receipt(1, receiptSpan).last).toBe(receiptSpan);
    expect(() => receipt(1, receiptSpan + 1)).toThrow("at most 1000 ");
  });

  it("are read, strongly consistent, also those that begin before the number asked for but reach it", async () => {
    const items = [receipt(1, 9), receipt(5, 10), receipt(11, 12)];
    const { document, asked } = holding({ executions: items, windows: items });
    expect(await readReceipts(document, tables, "s", "i", 10, 50)).toEqual([
      { first: 5, last: 10 },
      { first: 11, last: 12 },
    ]);
    expect(asked).toMatchObject([
      { TableName: "executions", ConsistentRead: true },
      { TableName: "windows", ConsistentRead: true },
    ]);
    const question = { partition: "s#i#receipts", from: "000000000000", to: "000000000050~" };
    expect(asked.map(askedFor)).toEqual([question, question]);
  });

  it("count where they stand in both tables: one that was lost or restored takes its own along", async () => {
    const items = [receipt(1, 9), receipt(10, 20)];
    const restored = holding({ executions: items, windows: [receipt(1, 9)] });
    expect(await readReceipts(restored.document, tables, "s", "i", 1)).toEqual([{ first: 1, last: 9 }]);
    const other = holding({ executions: [receipt(10, 20)], windows: items });
    expect(await readReceipts(other.document, tables, "s", "i", 1)).toEqual([{ first: 10, last: 20 }]);
  });

  it("count by themselves when an earlier version has written them", async () => {
    const { twin: _, rowsExpireAt: __, ...earlier } = receipt(1, 9);
    const { document } = holding({ executions: [earlier, receipt(10, 20)] });
    expect(await readReceipts(document, tables, "s", "i", 1)).toEqual([{ first: 1, last: 9 }]);
  });
});
