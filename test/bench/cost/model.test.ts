import { describe, expect, it } from "@jest/globals";
import { costParts, fleetCost } from "../../../bench/cost/model.ts";
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
    const parts = costParts({ rate: 10, messages: 0.5, traffic, receiptUnits: 2, logBytes: 800 });
    // 2,628,000 s x 10 = 26.28 million executions of one unit at $0.625.
    expect(parts.executionWrites).toBeCloseTo(16.425, 6);
    // 2.628 million windows of two units.
    expect(parts.windowWrites).toBeCloseTo(3.285, 6);
    // 1.314 million times two receipts at $0.625, 2.1 reads at $0.125.
    expect(parts.receipts).toBeCloseTo(1.6425 + 0.344925, 6);
    // 70,000 bytes are two requests to send and two to receive, one deletes: 2.5/s; 5 polls in 20 s: 0.25/s. 7.227 million at $0.50.
    expect(parts.queue).toBeCloseTo(3.6135, 6);
    // 1.314 million invocations at $0.20, 39,420 GB-s, 1.0512 GB of lines.
    expect(parts.recorder).toBeCloseTo(0.2628 + 0.525602628 + 0.5256, 6);
    // Ten a minute, 438,000 a month.
    expect(parts.costWrites).toBeCloseTo(0.27375, 6);
    // 43,800 runs of 2 s and as many of 0.1 s; 87,600 writes; 65.92 + 2 read units a run; two S3 requests and an event; lines.
    const runs = 0.01752 + 1.16800584 + 0.058400292;
    expect(parts.estimator).toBeCloseTo(runs + 0.05475 + 0.371850879 + 0.28032 + 0.03504, 6);
    // 1.971 million lease writes, 1.971 million read units, 26.28 MB of lines.
    expect(parts.scheduler).toBeCloseTo(1.231875 + 0.136875 + 0.246375 + 0.01314, 6);
    // 730 hours of a quarter of a core and half a gigabyte; 0.1 GB of image.
    expect(parts.container).toBeCloseTo(730 * (0.008095 + 0.00178) + 0.01, 6);
    expect(parts.publicAddress).toBeCloseTo(3.65, 6);
    // Nine alarms, six metrics.
    expect(parts.monitoring).toBeCloseTo(0.9 + 1.8, 6);
    // (10 x 500 + 1,600) bytes a second over 14 days: 7.98336 GB at $0.45.
    expect(parts.storage).toBeCloseTo(3.592512, 6);
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

describe("the cost of schedulers that share servers", () => {
  it("is what a hand works out for a hundred servers and two tasks", () => {
    const { tasks, requests, division, monitoring, all } = fleetCost(100, 2);
    // 730 hours of a core, two gigabytes and an address.
    expect(tasks).toBeCloseTo(2 * 730 * (0.03238 + 2 * 0.00356 + 0.005), 6);
    // As for a scheduler of one server, without its log.
    expect(requests).toBeCloseTo(100 * (1.231875 + 0.136875 + 0.246375), 4);
    // 5,256,000 beats a month, each a write unit and a read unit; 262,800 scans of 30,000 bytes, 8 read units each.
    expect(division).toBeCloseTo(2 * (5.256 * (0.625 + 0.125) + 0.2628 * 8 * 0.125), 4);
    expect(monitoring).toBeCloseTo(5 * 0.1 + 6 * 0.3, 6);
    expect(all).toBeCloseTo(tasks + requests + division + monitoring, 6);
  });
});
