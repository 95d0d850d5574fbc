import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { batchWrite, StoreOverloadedError } from "../../../platform/tables/batch-write.ts";
import { documentAnsweredBy } from "../../support/document.ts";

const request = z.object({
  RequestItems: z.record(
    z.string(),
    z.array(z.object({ PutRequest: z.object({ Item: z.object({ id: z.number() }) }) })),
  ),
});
const write = (id: number, table = "t") => ({ table, identity: String(id), item: { id } });
const numbers = (count: number) => Array.from({ length: count }, (_, id) => write(id));
const options = { sleep: async () => {}, random: () => 0.5, concurrency: 1 };

/** A store that keeps what it is given; `answer` may refuse a request or leave items of it. */
function store(answer: (ids: number[]) => number[] = () => []) {
  const requests: number[][] = [];
  const kept = new Set<number>();
  const document = documentAnsweredBy((_, input) => {
    const puts = request.parse(input).RequestItems;
    const ids = Object.values(puts).flatMap((group) => group.map(({ PutRequest }) => PutRequest.Item.id));
    requests.push(ids);
    const left = answer(ids);
    for (const id of ids) if (!left.includes(id)) kept.add(id);
    return { UnprocessedItems: left.length > 0 ? { t: left.map((id) => ({ PutRequest: { Item: { id } } })) } : {} };
  });
  return { document, requests, kept };
}

function validationError(): Error {
  return Object.assign(new Error("Item size has exceeded the maximum allowed size"), { name: "ValidationException" });
}

describe("batchWrite", () => {
  it("sends 25 at a time", async () => {
    const { document, requests, kept } = store();
    expect(await batchWrite(document, numbers(60), options)).toEqual([]);
    expect(requests.map((ids) => ids.length)).toEqual([25, 25, 10]);
    expect(kept.size).toBe(60);
  });

  it("sends an item once when it is given twice, which a batch would refuse", async () => {
    const { document, requests } = store();
    await batchWrite(document, [write(1), write(2), write(1), write(1, "other")], options);
    expect(requests).toEqual([[1, 2, 1]]);
  });

  it("sends again what the store left, and nothing else", async () => {
    let calls = 0;
    const { document, requests, kept } = store((ids) => (calls++ < 2 ? ids.slice(1) : []));
    await batchWrite(document, numbers(3), options);
    expect(requests).toEqual([[0, 1, 2], [1, 2], [2]]);
    expect(kept.size).toBe(3);
  });

  it("gives up on a store that never takes everything", async () => {
    const { document, requests } = store((ids) => ids);
    await expect(batchWrite(document, numbers(2), { ...options, attempts: 3 })).rejects.toThrow(StoreOverloadedError);
    expect(requests).toHaveLength(3);
  });

  it("finds the item that the store refuses, and writes all others", async () => {
    const { document, kept } = store((ids) => {
      if (ids.includes(13)) throw validationError();
      return [];
    });
    const refused = await batchWrite(document, numbers(30), options);
    expect(refused).toEqual([{ write: write(13), reason: "Item size has exceeded the maximum allowed size" }]);
    expect(kept.size).toBe(29);
  });

  it("throws what is no item's fault", async () => {
    const { document } = store(() => {
      throw Object.assign(new Error("no such table"), { name: "ResourceNotFoundException" });
    });
    await expect(batchWrite(document, numbers(1), options)).rejects.toThrow("no such table");
  });
});
