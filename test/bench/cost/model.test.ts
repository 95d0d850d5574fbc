import { describe, expect, it } from "@jest/globals";
import { costParts } from "../../../bench/cost/model.ts";
import { makeTraffic } from "../../../bench/cost/traffic.ts";

describe("the model of cost", () => {
  it("agrees with a month worked out by hand", () => {
    const traffic = {
      executionBytes: 400,
      executionWriteUnits: 1,
      windowBytes: 1_500,
      windowWriteUnits: 2,
      messageBytes: 70_000,
    };
    const parts = costParts({ rate: 10, messages: 0.5, traffic, receiptUnits: 2 });
    // 2,628,000 s x 10 = 26.28 million executions of one unit at $0.625.
    expect(parts.executionWrites).toBeCloseTo(16.425, 6);
    // 2.628 million windows of two units.
    expect(parts.windowWrites).toBeCloseTo(3.285, 6);
    // 1.314 million times two receipts at $0.625, as many reads at $0.125.
    expect(parts.receipts).toBeCloseTo(1.6425 + 0.3285, 6);
    // 70,000 bytes are two requests to send and two to receive, one deletes: 2.5/s; 5 polls in 20 s: 0.25/s. 7.227 million at $0.50.
    expect(parts.queue).toBeCloseTo(3.6135, 6);
    // 1.314 million invocations at $0.20, 39,420 GB-s.
    expect(parts.recorder).toBeCloseTo(0.2628 + 0.525602628, 6);
    // 1.971 million lease writes, 1.971 million read units.
    expect(parts.scheduler).toBeCloseTo(1.231875 + 0.246375, 6);
    // (10 x 500 + 1,600) bytes a second over 14 days: 7.98336 GB at $0.45.
    expect(parts.storage).toBeCloseTo(3.592512, 6);
    expect(parts.alarms).toBeCloseTo(0.3, 6);
  });
});

describe("traffic", () => {
  it("is the same each time, and has the rate asked for", () => {
    const traffic = makeTraffic(15, 200, 2);
    expect(traffic).toEqual(makeTraffic(15, 200, 2));
    expect(traffic.executionWriteUnits).toBe(1);
    // 30 executions and 2 windows a message.
    expect(traffic.messageBytes / (30 * 260 + 2 * 1_000)).toBeGreaterThan(0.8);
    expect(traffic.messageBytes / (30 * 260 + 2 * 1_000)).toBeLessThan(1.2);
  });
});
