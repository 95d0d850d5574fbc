import { describe, expect, it } from "@jest/globals";
import { createHandler } from "../../../../lambdas/workload/estimate-costs/handler.ts";

describe("the estimator's settings", () => {
  it("are named in one line when they are missing", () => {
    expect(() => createHandler({ EVENKEEL_COSTS_TABLE: "c", EVENKEEL_SERVERS_TABLE: "" })).toThrow(
      "environment: EVENKEEL_WINDOWS_TABLE is missing; EVENKEEL_SERVERS_TABLE is missing; " +
        "EVENKEEL_STATE_BUCKET is missing; EVENKEEL_BUS_NAME is missing",
    );
  });
});
