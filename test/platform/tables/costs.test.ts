import { describe, expect, it } from "@jest/globals";
import { costItem, readCosts, readCostsVersion, versionItemId } from "../../../platform/tables/costs.ts";
import { documentAnsweredBy } from "../../support/document.ts";

const cost = { mean: [1, 2, 3], sd: [0.1, 0.2, 0.3], seen: 4, lastSeenAt: 5 } as const;
const version = {
  serverId: "s",
  queryId: versionItemId,
  format: 1,
  version: 8,
  published: 7,
  estimatedAt: 100,
  stateKey: "estimator/s/8",
  windows: 60,
  readThrough: 90,
  prior: cost,
  quality: { windows: 60 },
  rejected: { negative: 2 },
};

describe("readCosts", () => {
  it("goes by the version whose costs are all written", async () => {
    const document = documentAnsweredBy(() => ({ Items: [version, costItem("s", "q", cost)] }));
    expect(await readCosts(document, "t", "s")).toEqual({
      version: 7,
      estimatedAt: 100,
      windows: 60,
      costs: new Map([["q", cost]]),
      prior: cost,
      quality: { windows: 60 },
      rejected: { negative: 2 },
      skippedTicks: 0,
      outOfTime: 0,
      unreadable: [],
    });
  });

  it("tells how long executions last where that is known", async () => {
    const lasting = { ...cost, durationMs: 170.5 };
    const document = documentAnsweredBy(() => ({
      Items: [version, costItem("s", "q", lasting), costItem("s", "r", cost)],
    }));
    const { costs } = await readCosts(document, "t", "s");
    expect([...costs]).toEqual([
      ["q", lasting],
      ["r", cost],
    ]);
  });

  it("names items of another version and reads the others", async () => {
    const newer = { ...costItem("s", "new", cost), format: 2 };
    const document = documentAnsweredBy(() => ({ Items: [newer, costItem("s", "q", cost)] }));
    const { costs, unreadable, version: none } = await readCosts(document, "t", "s");
    expect([...costs.keys()]).toEqual(["q"]);
    expect(unreadable).toEqual([{ table: "t", key: "s new", problem: expect.stringContaining("format") }]);
    expect(none).toBe(0);
  });
});

describe("readCostsVersion", () => {
  it("is 0 before the first estimate", async () => {
    expect(
      await readCostsVersion(
        documentAnsweredBy(() => ({})),
        "t",
        "s",
      ),
    ).toBe(0);
    expect(
      await readCostsVersion(
        documentAnsweredBy(() => ({ Item: { published: 7 } })),
        "t",
        "s",
      ),
    ).toBe(7);
  });
});
