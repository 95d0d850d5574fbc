import { describe, expect, it } from "@jest/globals";
import { checkWindow } from "../../../../core/workload/estimator/check-window.ts";
import type { Band, WindowObservation } from "../../../../core/workload/types.ts";

const good: Band = { average: 20, min: 0, max: 80 };

function windowWith(changes: Partial<WindowObservation>, band: Band = good): WindowObservation {
  return {
    key: "w",
    epoch: "e",
    endedAt: 1000,
    firstTick: 0,
    ticks: [["a"], []],
    bounds: "exact",
    metrics: { cpu: band, io: good, memory: good },
    ...changes,
  };
}

describe("checkWindow", () => {
  it("takes a good window whole", () => {
    expect(checkWindow(windowWith({}))).toEqual({
      bands: Float64Array.of(20, 0, 80, 20, 0, 80, 20, 0, 80),
      usable: true,
      faults: [],
    });
  });

  it.each<[string, Band]>([
    ["min-above-average", { average: 20, min: 22, max: 80 }],
    ["average-above-max", { average: 81, min: 0, max: 80 }],
    ["negative", { average: 20, min: -1, max: 80 }],
    ["not-a-number", { average: Number.NaN, min: 0, max: 80 }],
    ["absurd", { average: 20, min: 0, max: 1e300 }],
    ["absurd", { average: 20, min: 0, max: Number.POSITIVE_INFINITY }],
  ])("leaves out a resource with a band that is %s", (fault, band) => {
    const { bands, usable, faults } = checkWindow(windowWith({}, band));
    expect({ usable, faults }).toEqual({ usable: true, faults: [fault] });
    expect(bands[0]).toBeNaN();
    expect(Array.from(bands.slice(3))).toEqual([20, 0, 80, 20, 0, 80]);
  });

  it.each<[string, Partial<WindowObservation>]>([
    ["bad-time", { endedAt: Number.NaN }],
    ["bad-time", { endedAt: -1 }],
    ["bad-time", { endedAt: 1e300 }],
    ["bad-tick", { firstTick: 0.5 }],
    ["no-ticks", { ticks: [] }],
    ["too-large", { ticks: Array.from({ length: 10_001 }, () => ["a"]) }],
    ["usage-without-executions", { ticks: [[], []] }],
  ])("refuses a window with %s", (fault, changes) => {
    expect(checkWindow(windowWith(changes))).toMatchObject({ usable: false, faults: [fault] });
  });

  it("refuses an idle window, which says nothing", () => {
    const idle = { average: 0, min: 0, max: 0 };
    const window = windowWith({ ticks: [[]], metrics: { cpu: idle, io: idle, memory: idle } });
    expect(checkWindow(window)).toMatchObject({ usable: false, faults: ["no-executions"] });
  });

  it("refuses a window of which no band is good, and names every fault", () => {
    const bad = { average: 0, min: 5, max: 3 };
    const window = windowWith({ metrics: { cpu: bad, io: bad, memory: bad } });
    expect(checkWindow(window)).toMatchObject({
      usable: false,
      faults: ["min-above-average", "min-above-average", "min-above-average"],
    });
  });
});
