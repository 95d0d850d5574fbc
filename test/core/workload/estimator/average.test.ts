import { describe, expect, it } from "@jest/globals";
import { Average } from "../../../../core/workload/estimator/average.ts";

describe("an average above what is believed of its window", () => {
  // 20 executions seen, their sum believed to be 1000 +- 20, reported as 1040 to 1049: one more, or dearer than believed.
  const read = (elsewhere?: readonly number[]) => {
    const reading = new Average({ integer: false, unseen: 0.02, execution: { mean: 45, variance: 200 } });
    const window = { average: 104, ticks: 10, executions: 20, trust: 1 };
    reading.read(1000, 400, window, elsewhere && Float64Array.from(elsewhere));
    return { unseen: reading.unseen, mean: reading.result.mean, doubted: reading.doubted };
  };

  it("is laid to an unseen execution as far as the window's other resources saw one", () => {
    const alone = read();
    expect(alone.unseen).toBeGreaterThan(0.1);
    expect(alone.unseen).toBeLessThan(0.9);
    const sawNone = read([1, 1e-4, 1e-4, 1e-4]);
    expect(sawNone.unseen).toBeLessThan(0.01);
    expect(sawNone.mean).toBeGreaterThan(1035);
    const sawOne = read([1e-4, 1, 1e-4, 1e-4]);
    expect(sawOne.unseen).toBeGreaterThan(0.9);
    expect(sawOne.mean).toBeLessThan(1010);
  });

  it("does not make the window doubtful by what other resources say", () => {
    const rare = 1e-6;
    expect(read([rare, rare, rare, rare]).doubted).toBeCloseTo(read().doubted, 6);
  });
});
