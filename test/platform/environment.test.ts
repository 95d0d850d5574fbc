import { describe, expect, it } from "@jest/globals";
import { environmentOfOutputs } from "../../platform/environment.ts";

const outputs = {
  QueueUrl: "http://localhost:4566/000000000000/q.fifo",
  DlqUrl: "http://localhost:4566/000000000000/d.fifo",
  ExecutionsTable: "e",
  WindowsTable: "w",
  CostsTable: "c",
  SchedulerTable: "s",
  ServersTable: "r",
  StateBucket: "b",
  BusName: "n",
};

describe("environmentOfOutputs", () => {
  it("names the variables after the outputs", () => {
    expect(environmentOfOutputs({ ...outputs, Other: "ignored" })).toEqual({
      EVENKEEL_QUEUE_URL: "http://localhost:4566/000000000000/q.fifo",
      EVENKEEL_DLQ_URL: "http://localhost:4566/000000000000/d.fifo",
      EVENKEEL_EXECUTIONS_TABLE: "e",
      EVENKEEL_WINDOWS_TABLE: "w",
      EVENKEEL_COSTS_TABLE: "c",
      EVENKEEL_SCHEDULER_TABLE: "s",
      EVENKEEL_SERVERS_TABLE: "r",
      EVENKEEL_STATE_BUCKET: "b",
      EVENKEEL_BUS_NAME: "n",
    });
  });

  it("names every missing output", () => {
    const { QueueUrl: _, BusName: __, ...rest } = outputs;
    expect(() => environmentOfOutputs(rest)).toThrow("the stack has no output QueueUrl, BusName: deploy it again");
  });
});
