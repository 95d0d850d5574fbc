import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { parseItem, queryRange, scan } from "../../../platform/tables/query.ts";
import { documentAnsweredBy } from "../../support/document.ts";

describe("reading a table", () => {
  it.each([
    ["queryRange", queryRange],
    ["scan", (document: Parameters<typeof scan>[0], { table }: { table: string }) => scan(document, table)],
  ])("%s follows pages, an empty one too", async (_, read) => {
    const starts: unknown[] = [];
    const pages = [
      { Items: [{ n: 1 }], LastEvaluatedKey: { key: "a" } },
      { Items: [], LastEvaluatedKey: { key: "b" } },
      { Items: [{ n: 2 }] },
    ];
    const document = documentAnsweredBy((_, { ExclusiveStartKey }) => {
      starts.push(ExclusiveStartKey);
      return pages[starts.length - 1] ?? {};
    });
    const items = await Array.fromAsync(read(document, { table: "t", partition: ["key", "k"] }));
    expect(items).toEqual([{ n: 1 }, { n: 2 }]);
    expect(starts).toEqual([undefined, { key: "a" }, { key: "b" }]);
  });
});

describe("parseItem", () => {
  it("says in one line which item of which table is of another version", () => {
    const schema = z.object({ format: z.literal(1) });
    expect(() => parseItem(schema, { format: 2 }, "scheduler-state", "server-1 plan")).toThrow(
      "item server-1 plan of table scheduler-state cannot be read, was it written by another version? " +
        "format: Invalid input: expected 1",
    );
  });
});
