import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import {
  loadParameters,
  ParametersError,
  parseParameters,
  scenarioNames,
} from "../../../sim-server/database/parameters.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

describe("parameters", () => {
  it.each(scenarioNames)("has a scenario %s", (name) => {
    expect(loadParameters(name).queries).toBeGreaterThan(0);
  });

  it.each<[object, string]>([
    [{ queries: 0 }, "queries: "],
    [{ tickMs: 0 }, "tickMs: a tick lasts at least 1 ms"],
    [{ windowTicks: 0 }, "windowTicks: "],
    [{ arrivals: { mean: 1.5 } }, "arrivals.mean: a probability is at most 1"],
    [{ arrivals: { season: { amplitude: 2 } } }, "amplitude must not exceed level"],
    [{ defaultDelayTicks: -1 }, "defaultDelayTicks: "],
    [{ profiles: [] }, "profiles: "],
    [{ drift: [{ atTick: 1, share: 1.1, factor: 2 }] }, "drift.0.share: "],
    [{ quieries: 5 }, "quieries"],
    [{ seed: 1.5 }, "seed: "],
  ])("refuses %j in one line", (value, message) => {
    expect(() => parseParameters(value, "file.json")).toThrow(ParametersError);
    expect(() => parseParameters(value, "file.json")).toThrow(message);
  });

  it("says what is wrong with a file", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "p.json");
    expect(() => loadParameters(file)).toThrow("neither a readable parameter file nor a scenario (default, double,");
    writeFileSync(file, "{");
    expect(() => loadParameters(file)).toThrow("not JSON");
  });
});
