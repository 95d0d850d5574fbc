import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { ConfigError, nameList, parseEnvironment, port, wholeNumber } from "../../platform/config.ts";

const schema = z.object({
  URL: z.url(),
  PORT: port.default(9000),
  BYTES: wholeNumber.optional(),
  HOSTS: nameList.default([]),
});

describe("parseEnvironment", () => {
  it("reads what is asked for, with defaults for what is missing or empty", () => {
    expect(parseEnvironment(schema, { URL: "http://a", PORT: "", OTHER: "x" })).toEqual({
      URL: "http://a",
      PORT: 9000,
      HOSTS: [],
    });
    expect(parseEnvironment(schema, { URL: "http://a", PORT: "0", BYTES: "12", HOSTS: " a, b ,," })).toEqual({
      URL: "http://a",
      PORT: 0,
      BYTES: 12,
      HOSTS: ["a", "b"],
    });
  });

  it("names every variable that is missing or wrong, in one line", () => {
    const parse = () => parseEnvironment(schema, { PORT: "65536", BYTES: "-1" });
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(
      "environment: URL is missing; PORT is wrong (a port is a number from 0 to 65535); BYTES is wrong (a whole number is expected)",
    );
  });
});
