import { describe, expect, it } from "@jest/globals";
import { createHandler } from "../../../../lambdas/workload/record-executions/handler.ts";

describe("the recorder's settings", () => {
  it("are named in one line when they are missing", () => {
    expect(() => createHandler({ EVENKEEL_EXECUTIONS_TABLE: "e", EVENKEEL_DLQ_URL: "nonsense" })).toThrow(
      /^environment: EVENKEEL_DLQ_URL is wrong \(.*\); EVENKEEL_WINDOWS_TABLE is missing; EVENKEEL_SERVERS_TABLE is missing$/,
    );
  });
});
