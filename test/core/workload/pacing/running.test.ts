import { describe, expect, it } from "@jest/globals";
import { Running } from "../../../../core/workload/pacing/running.ts";

const tickMs = 100;
const profile = { workMs: 150, durationMs: 150, sdMs: 0 };

/** What 10 executions that begin together are said to use, tick by tick, when each of them lasts for `durationMs`. */
function crowd(durationMs: number, usedIn: (running: Running, tick: number) => number): number {
  const running = new Running(tickMs);
  for (let id = 0; id < 10; id++) running.start(String(id), profile, 0);
  let sum = 0;
  for (let tick = 0; tick * tickMs <= durationMs + 2 * tickMs; tick++) {
    if (Math.floor(durationMs / tickMs) === tick) for (let id = 0; id < 10; id++) running.end(String(id), durationMs);
    sum += usedIn(running, tick);
    running.sweep(tick);
  }
  return sum;
}

describe("what executions explain", () => {
  it.each([40, 150, 420, 1_500])("is each one's work, no more and no less, when it takes %s ms", (durationMs) => {
    expect(crowd(durationMs, (running, tick) => running.explain(tick))).toBeCloseTo(1_500);
  });

  it("would be several times that by what is expected of those that outlive their duration", () => {
    expect(crowd(1_500, (running, tick) => running.expected(tick, tick + 1))).toBeGreaterThan(3_000);
  });
});
