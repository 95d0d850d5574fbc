import { describe, expect, it } from "@jest/globals";
import { Trial } from "../../../../core/workload/steering/trial.ts";

/** Windows until the trial fails; undefined when it does not within 500. */
function failsAfter(window: (at: number) => { believed: boolean; inBand: boolean }, trial = new Trial()) {
  for (let at = 1; at <= 500; at++) {
    const { believed, inBand } = window(at);
    trial.observe(true, believed, inBand);
    if (trial.failure !== null) return at;
  }
  return undefined;
}

describe("the trial", () => {
  it("ends soon when no planned window comes in band", () => {
    // 0.6 (15/16)^n < 0.2 from n = 18 on.
    expect(failsAfter(() => ({ believed: true, inBand: false }))).toBe(18);
  });

  it("ends when delaying gains nothing although costs fit", () => {
    expect(failsAfter(() => ({ believed: false, inBand: false }))).toBeLessThan(90);
  });

  it("goes on where every second planned window comes", () => {
    expect(failsAfter((at) => ({ believed: true, inBand: at % 2 === 0 }))).toBeUndefined();
  });

  it("does not take for its own gain what is level without it", () => {
    const trial = new Trial();
    for (let at = 0; at < 300; at++) trial.observe(false, true, true);
    expect(failsAfter((at) => ({ believed: true, inBand: at % 2 === 0 }), trial)).toBe(1);
  });

  it("pauses twice as long each time, and briefly again after a success", () => {
    const trial = new Trial();
    const pause = () => {
      failsAfter(() => ({ believed: true, inBand: false }), trial);
      let windows = 0;
      for (; trial.failure !== null; windows++) trial.observe(false, false, false);
      return windows;
    };
    expect([pause(), pause(), pause()]).toEqual([60, 120, 240]);
    for (let at = 0; at < 100; at++) trial.observe(true, true, true);
    expect(pause()).toBe(60);
  });
});
