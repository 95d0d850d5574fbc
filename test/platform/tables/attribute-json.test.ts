import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createDocument } from "../../../platform/aws.ts";
import { attributeJson, batchPut } from "../../../platform/tables/attribute-json.ts";

const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: "grapheme" }),
    fc
      .double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 })
      .filter((number) => !Object.is(number, -0)),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.array(
      tie("value").filter((inner) => inner !== undefined),
      { maxLength: 3 },
    ),
    fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== "__proto__"),
      tie("value"),
      { noNullPrototype: true, maxKeys: 3 },
    ),
  ),
})).value;

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

  it("goes over the wire as the SDK's own would, signed for", async () => {
    const received: { body: string; hash: unknown; length: unknown }[] = [];
    const server = createServer(async (request, response) => {
      const { "x-amz-content-sha256": hash, "content-length": length } = request.headers;
      received.push({ body: await text(request), hash, length });
      response.setHeader("content-type", "application/x-amz-json-1.0").end('{"UnprocessedItems":{}}');
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const document = createDocument({
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "id",
      AWS_SECRET_ACCESS_KEY: "secret",
    });
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.dictionary(fc.constantFrom("key", "a", "ü"), value, { noNullPrototype: true }), {
            minLength: 1,
            maxLength: 2,
          }),
          async (items) => {
            received.length = 0;
            await document.send(batchPut({ t: items }));
            await document.send(
              new BatchWriteCommand({ RequestItems: { t: items.map((Item) => ({ PutRequest: { Item } })) } }),
            );
            const [ours, theirs] = received;
            expect(JSON.parse(ours?.body ?? "")).toEqual(JSON.parse(theirs?.body ?? ""));
            expect(ours?.hash).toBe(
              createHash("sha256")
                .update(ours?.body ?? "")
                .digest("hex"),
            );
            expect(ours?.length).toBe(String(Buffer.byteLength(ours?.body ?? "")));
          },
        ),
        { seed: 1, numRuns: 100 },
      );
    } finally {
      document.destroy();
      server.close();
    }
  }, 60_000);
});
