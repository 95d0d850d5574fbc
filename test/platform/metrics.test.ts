import { describe, expect, it } from "@jest/globals";
import { createMetrics } from "../../platform/metrics.ts";

describe("createMetrics", () => {
  it("prints one line in embedded metric format, with the fields beside the metrics", () => {
    const lines: string[] = [];
    const publish = createMetrics("scheduler", { EVENKEEL_METRICS: "emf", EVENKEEL_STAGE: "test" }, (line) => {
      lines.push(line);
    });
    publish?.({ HoldsLease: 1, InBandShare: 0.8 }, { serverId: "db-1", batches: [{ first: 1 }] });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      _aws: {
        Timestamp: expect.any(Number),
        CloudWatchMetrics: [
          {
            Namespace: "Evenkeel",
            Dimensions: [["service", "stage"]],
            Metrics: [
              { Name: "HoldsLease", Unit: "Count" },
              { Name: "InBandShare", Unit: "None" },
            ],
          },
        ],
      },
      service: "scheduler",
      stage: "test",
      HoldsLease: 1,
      InBandShare: 0.8,
      serverId: "db-1",
      batches: [{ first: 1 }],
    });
  });

  it("gives nothing where nobody asks for metrics, and says which setting is wrong", () => {
    expect(createMetrics("scheduler", {})).toBeUndefined();
    expect(() => createMetrics("scheduler", { EVENKEEL_METRICS: "yes" })).toThrow("EVENKEEL_METRICS is wrong");
  });
});
