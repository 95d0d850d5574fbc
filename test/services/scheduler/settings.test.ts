import { describe, expect, it } from "@jest/globals";
import { ownUrl, readSettings, slotOf } from "../../../services/scheduler/settings.ts";

const tables = {
  EVENKEEL_COSTS_TABLE: "costs",
  EVENKEEL_SCHEDULER_TABLE: "scheduler",
  EVENKEEL_SERVERS_TABLE: "servers",
  EVENKEEL_BUS_NAME: "bus",
};
const one = { ...tables, EVENKEEL_SERVER_URL: "http://127.0.0.1:9000" };
const many = { ...tables, EVENKEEL_SERVERS: "registered" };

describe("what a scheduler process is told", () => {
  it("is one server or many, and the table of servers with many", () => {
    expect(readSettings(one).shared).toBe(false);
    expect(readSettings({ ...tables, EVENKEEL_PARAMETERS: "/evenkeel/a" }).shared).toBe(false);
    expect(readSettings(many).shared).toBe(true);
    expect(() => readSettings(tables)).toThrow("EVENKEEL_SERVER_URL is missing, or EVENKEEL_SERVERS for many");
    expect(() => readSettings({ ...many, EVENKEEL_SERVERS_TABLE: undefined })).toThrow("SERVERS_TABLE is missing");
  });

  it.each([
    [{}, "http://127.0.0.1:9010"],
    [{ STATUS_PORT: "0" }, "http://127.0.0.1:4321"],
    [{ EVENKEEL_ADVERTISED_URL: "http://10.0.0.7:0" }, "http://10.0.0.7:4321"],
    [{ EVENKEEL_ADVERTISED_URL: "https://scheduler.example:8443" }, "https://scheduler.example:8443"],
  ])("gives its own address by %p", (more, url) => {
    expect(ownUrl(readSettings({ ...many, ...more }), 4321)).toBe(url);
  });

  it("holds leases under its slot, or where servers are shared by machine and port", () => {
    expect(slotOf(readSettings(one), 4321)).toBe("scheduler-1");
    expect(slotOf(readSettings(many), 4321)).toMatch(/-4321$/);
    expect(slotOf(readSettings({ ...many, EVENKEEL_SLOT: "a" }), 4321)).toBe("a");
  });
});
