import { describe, expect, it } from "@jest/globals";
import { attributeJson } from "../../../platform/tables/attribute-json.ts";

describe("an item's JSON", () => {
  it("is what the service's API wants of each type", () => {
    expect(attributeJson({ a: 'b"', n: -1.5, list: [true, null], none: undefined })).toBe(
      '{"M":{"a":{"S":"b\\""},"n":{"N":"-1.5"},"list":{"L":[{"BOOL":true},{"NULL":true}]}}}',
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, Symbol("s"), new Set(["a"]), new Uint8Array(1), [undefined]])(
    "refuses %p, which no item of ours holds",
    (bad) => {
      expect(() => attributeJson(bad)).toThrow(TypeError);
    },
  );
});
