import { describe, expect, it } from "@jest/globals";
import { formatOdd } from "../../cli/format.ts";

const none = { rejected: {}, skippedTicks: 0, outOfTime: 0 };

describe("windows that could not be used", () => {
  it("are told by reason, the commonest first", () => {
    expect(formatOdd({ ...none, rejected: { negative: 2, "min-above-average": 1_200, duplicate: 0 } })).toEqual([
      "not used: 1,200 min-above-average, 2 negative",
    ]);
  });

  it("are told beside those that were never read, or came out of time", () => {
    expect(formatOdd({ ...none, skippedTicks: 36_000, outOfTime: 60 })).toEqual([
      "36,000 ticks between windows never read",
      "60 windows far from their time: late, or a clock jumped",
    ]);
  });

  it("are not mentioned when there are none", () => {
    expect(formatOdd(none)).toEqual([]);
  });
});
