import { describe, expect, it } from "@jest/globals";
import { UsageTicks } from "../../../services/gatekeeper/usage.ts";

const sample = (from: number, to: number, cpuMs: number, ioKiB = 0, memoryMiB = 0) => ({
  ...{ from, to, cpuMs, ioKiB, memoryMiB },
});

describe("a tick's usage", () => {
  it("is what samples say, in proportion to their overlap", () => {
    const usage = new UsageTicks(100);
    usage.add(sample(0, 50, 50, 10, 100));
    usage.add(sample(50, 150, 100, 40, 200));
    // 50 ms of the first sample (50 CPU ms), 50 ms of the second (half of it).
    expect(usage.of(0)).toEqual({ cpu: 100, io: 30, memory: 150 });
    // Half of the tick is sampled: the other half is taken to be like it.
    expect(usage.of(1)).toEqual({ cpu: 100, io: 40, memory: 200 });
  });

  it("is not known when less than half of it was sampled", () => {
    const usage = new UsageTicks(100);
    usage.add(sample(0, 149, 10));
    expect(usage.of(1)).toBeUndefined();
    expect(usage.of(7)).toBeUndefined();
  });

  it("counts no time twice", () => {
    const usage = new UsageTicks(100);
    usage.add(sample(0, 100, 50));
    usage.add(sample(0, 100, 50));
    usage.add(sample(50, 150, 100));
    expect(usage.of(0)?.cpu).toBe(50);
    expect(usage.of(1)?.cpu).toBe(100);
  });

  it("leaves out what was before the start", () => {
    const usage = new UsageTicks(100);
    usage.add(sample(-100, 100, 100));
    expect(usage.of(0)?.cpu).toBe(50);
  });

  it("is covered once samples reach its end", () => {
    const usage = new UsageTicks(100);
    usage.add(sample(0, 190, 0));
    expect([usage.covers(0), usage.covers(1)]).toEqual([true, false]);
    usage.add(sample(190, 200, 0));
    expect(usage.covers(1)).toBe(true);
  });

  it("is forgotten after a minute", () => {
    const usage = new UsageTicks(100);
    for (let tick = 0; tick < 2_000; tick++) usage.add(sample(tick * 100, (tick + 1) * 100, 1));
    expect(usage.of(1_000)).toBeUndefined();
    expect(usage.of(1_999)?.cpu).toBe(1);
  });
});
