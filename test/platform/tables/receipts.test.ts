import { describe, expect, it } from "@jest/globals";
import {
  partitionEnd,
  readReceiptItems,
  readReceipts,
  receiptItem,
  receiptSpan,
} from "../../../platform/tables/receipts.ts";
import { askedFor, documentAnsweredBy } from "../../support/document.ts";

const tables = { executions: "executions", windows: "windows" };
const receipt = (first: number, last: number) => receiptItem("s", "i", { first, last }, 5_000, 60, 30);

/** Tables with these receipts, and what they were asked. */
function holding(items: Readonly<Record<string, readonly { readonly key: string; readonly at: string }[]>>) {
  const asked: { table: string; partition: string; consistent: unknown }[] = [];
  const document = documentAnsweredBy((_, input) => {
    const { partition, from, to } = askedFor(input);
    const table = String(input.TableName);
    asked.push({ table, partition, consistent: input.ConsistentRead });
    const found = (items[table] ?? []).filter(({ key, at }) => key === partition && from <= at && at <= to);
    return { Items: found };
  });
  return { document, asked };
}

describe("receipts", () => {
  it("stand beside rows, under their incarnation", () => {
    expect(receipt(3, 12)).toMatchObject({
      key: "s#i#0#receipts",
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
    expect(await readReceipts(document, tables, "s", "i", { first: 10, last: 50 })).toEqual([
      { first: 5, last: 10 },
      { first: 11, last: 12 },
    ]);
    expect(asked).toEqual([
      { table: "executions", partition: "s#i#0#receipts", consistent: true },
      { table: "windows", partition: "s#i#0#receipts", consistent: true },
    ]);
  });

  it("lie in partitions of bounded size, of which only those are read that hold what is asked for", async () => {
    const items = [receipt(19_001, 19_999), receipt(20_000, 20_100), receipt(39_500, 40_499), receipt(41_000, 41_000)];
    expect(items.map(({ key }) => key)).toEqual([
      "s#i#0#receipts",
      "s#i#1#receipts",
      "s#i#1#receipts",
      "s#i#2#receipts",
    ]);
    expect([1, 19_999, 20_000].map(partitionEnd)).toEqual([19_999, 19_999, 39_999]);
    const { document, asked } = holding({ executions: items, windows: items });
    expect(await readReceipts(document, tables, "s", "i", { first: 40_001, last: 40_900 })).toEqual([
      { first: 39_500, last: 40_499 },
    ]);
    expect(asked.map(({ partition }) => partition)).toEqual(Array(2).fill(["s#i#1#receipts", "s#i#2#receipts"]).flat());
    expect(await readReceipts(document, tables, "s", "i", { first: 1, last: 400_000 })).toHaveLength(4);
  });

  it("are found by audits where earlier versions wrote them, all of an incarnation in one partition", async () => {
    const earlier = [receipt(1, 9), receipt(900_001, 900_009)].map((item) => ({ ...item, key: "s#i#receipts" }));
    const { document } = holding({ executions: [...earlier, receipt(10, 20)] });
    const read = (options?: { earlier: boolean }) =>
      Array.fromAsync(readReceiptItems(document, "executions", "s", "i", { first: 1, last: 20 }, options));
    expect(await read({ earlier: true })).toMatchObject([{ first: 1 }, { first: 900_001 }, { first: 10 }]);
    expect(await read()).toMatchObject([{ first: 10 }]);
  });

  it("count where they stand in both tables: one that was lost or restored takes its own along", async () => {
    const items = [receipt(1, 9), receipt(10, 20)];
    const restored = holding({ executions: items, windows: [receipt(1, 9)] });
    expect(await readReceipts(restored.document, tables, "s", "i", { first: 1, last: 20 })).toEqual([
      { first: 1, last: 9 },
    ]);
    const other = holding({ executions: [receipt(10, 20)], windows: items });
    expect(await readReceipts(other.document, tables, "s", "i", { first: 1, last: 20 })).toEqual([
      { first: 10, last: 20 },
    ]);
  });

  it("count by themselves when an earlier version has written them", async () => {
    const { twin: _, rowsExpireAt: __, ...earlier } = receipt(1, 9);
    const { document } = holding({ executions: [earlier, receipt(10, 20)] });
    expect(await readReceipts(document, tables, "s", "i", { first: 1, last: 20 })).toEqual([{ first: 1, last: 9 }]);
  });
});
