import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { copyBack } from "../../../platform/tables/copy-back.ts";
import { documentAnsweredBy } from "../../support/document.ts";

const row = (sequence: number) => ({ key: "s#q#2026-11-21T09", at: `row-${String(sequence).padStart(4, "0")}` });
/** Receipts stand first, as a scan may find them. */
const items = [
  { key: "s#i#receipts", at: "1" },
  { key: "s#i#tombstones", at: "1" },
  { key: "s#discarded-letters", at: "1" },
  ...Array.from({ length: 60 }, (_, index) => row(index)),
  { key: "other#i#receipts", at: "1" },
];
const batch = z.object({
  RequestItems: z.record(
    z.string(),
    z.array(z.object({ PutRequest: z.object({ Item: z.object({ key: z.string(), at: z.string() }) }) })),
  ),
});
const options = { sleep: async () => {}, random: () => 0, concurrency: 1 };

/** Copies `s`; `fail` is asked before each batch. Returns the keys that were written, in order. */
async function copied(fail: (batches: number) => string | undefined, serverId?: string) {
  const written: string[] = [];
  let batches = 0;
  const document = documentAnsweredBy(async (name, input) => {
    if (name === "ScanCommand") return { Items: items };
    const problem = fail(++batches);
    if (problem) throw Object.assign(new Error(problem), { name: problem });
    const puts = Object.values(batch.parse(input).RequestItems).flat();
    written.push(...puts.map(({ PutRequest }) => PutRequest.Item.key));
    return {};
  });
  const result = await copyBack(document, { from: "restored", to: "now", serverId }, options).catch((error) => error);
  return { written, result };
}

describe("copying back", () => {
  it("writes rows first, receipts last, and no tombstones", async () => {
    const { written, result } = await copied(() => undefined, "s");
    expect(result).toEqual({ rows: 61, receipts: 1, tombstones: 1, refused: 0 });
    expect(written.indexOf("s#i#receipts")).toBe(61);
    expect(written).not.toContain("s#i#tombstones");
    expect(written).not.toContain("other#i#receipts");
    expect((await copied(() => undefined)).written.slice(-2).sort()).toEqual(["other#i#receipts", "s#i#receipts"]);
  });

  it("leaves no receipt for rows that are not there when it breaks off, at any batch", async () => {
    for (const at of [1, 2, 3]) {
      const { written, result } = await copied((batches) => (batches === at ? "Gone" : undefined));
      expect(result).toBeInstanceOf(Error);
      expect(written.filter((key) => key.endsWith("#receipts"))).toEqual([]);
    }
  });

  it("leaves no receipt when the table refuses a row", async () => {
    const { written, result } = await copied(() => "ValidationException");
    expect(result).toMatchObject({ rows: 0, receipts: 0, refused: 61 });
    expect(written).toEqual([]);
  });
});
