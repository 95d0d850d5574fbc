import { describe, expect, it } from "@jest/globals";
import { itemBytes, writeUnits } from "../../../bench/cost/sizes.ts";

describe("an item's size", () => {
  it.each([
    ["text: name and UTF-8", { id: "aé" }, 2 + 3],
    ["number: a byte per two digits, and one", { n: 12_345 }, 1 + 3 + 1],
    ["zeros at the end do not count", { n: 1_200_000 }, 1 + 1 + 1],
    ["a negative number takes one more", { n: -7 }, 1 + 1 + 1 + 1],
    ["list: 3, and one per element", { l: ["a", 1] }, 1 + 3 + (1 + 1) + (1 + 2)],
    ["map: 3, and one per entry", { m: { ab: true } }, 1 + 3 + (1 + 2 + 1)],
  ])("counts %s", (_, item, bytes) => {
    expect(itemBytes(item)).toBe(bytes);
  });

  it("is paid by the KB begun", () => {
    expect([1, 1_024, 1_025].map(writeUnits)).toEqual([1, 1, 2]);
  });
});
