import { describe, expect, it } from "@jest/globals";
import { createLog, describeError } from "../../platform/log.ts";

describe("createLog", () => {
  it("writes a JSON line with time, level, name, message and fields", () => {
    const lines: string[] = [];
    createLog("n", (line) => lines.push(line)).warn("m", { count: 3, error: new Error("bad\n  thing") });
    expect(lines).toHaveLength(1);
    const { time, ...rest } = JSON.parse(lines[0] ?? "");
    expect(new Date(time).toISOString()).toBe(time);
    expect(rest).toEqual({ level: "warn", name: "n", message: "m", count: 3, error: "bad thing" });
  });
});

describe("describeError", () => {
  it("is one line, with the causes", () => {
    const cause = new Error("disk\nfull");
    expect(describeError(new Error("cannot write", { cause }))).toBe("cannot write (disk full)");
    expect(describeError("text")).toBe("text");
  });
});
