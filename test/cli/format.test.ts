import { describe, expect, it } from "@jest/globals";
import { formatRejected } from "../../cli/format.ts";

describe("windows that could not be used", () => {
  it("are told by reason, the commonest first", () => {
    expect(formatRejected({ negative: 2, "min-above-average": 1_200, duplicate: 0 })).toEqual([
      "not used: 1,200 min-above-average, 2 negative",
    ]);
  });

  it("are not mentioned when there are none", () => {
    expect(formatRejected({})).toEqual([]);
  });
});
