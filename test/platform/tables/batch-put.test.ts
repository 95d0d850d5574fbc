import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { BatchWriteCommand, type DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createDocument } from "../../../platform/aws.ts";
import { membersJson } from "../../../platform/tables/attribute-json.ts";
import { batchPut } from "../../../platform/tables/batch-put.ts";

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

const credentials = { accessKeyId: "id", secretAccessKey: "secret", sessionToken: "token" };
const nothingLeft = '{"UnprocessedItems":{}}';
const items = [
  { key: "k", at: "1", n: 1 },
  { key: "k", at: "2", n: 2 },
];

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let received: Received[];
/** What the service does with the next requests; then it takes everything. */
let answers: ((response: ServerResponse) => unknown)[];
let document: DynamoDBDocumentClient;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  received = [];
  answers = [];
  server = createServer(async (request, response) => {
    received.push({ headers: request.headers, body: await text(request) });
    const answer = answers.shift() ?? (() => response.end(nothingLeft));
    answer(response.setHeader("content-type", "application/x-amz-json-1.0"));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  document = createDocument({
    AWS_ENDPOINT_URL: `http://127.0.0.1:${typeof address === "object" ? address?.port : undefined}`,
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
  });
});

afterEach(() => {
  document.destroy();
  server.closeAllConnections();
  server.close();
});

const bySdk = ({ headers }: Received) => "amz-sdk-invocation-id" in headers;

/** The signature that the request should have for `body`, from the headers that it says to be signed. */
async function signatureOf({ headers }: Received, body: string): Promise<string> {
  const [, names = ""] = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? "") ?? [];
  const signed = Object.fromEntries(names.split(";").map((name) => [name, String(headers[name])]));
  delete signed["x-amz-content-sha256"];
  const date = String(headers["x-amz-date"]).replace(/(....)(..)(..T..)(..)/, "$1-$2-$3:$4:");
  const signer = await document.config.signer({
    name: "sigv4",
    signingName: "dynamodb",
    signingRegion: "eu-west-1",
    properties: {},
  });
  const request = { method: "POST", protocol: "http:", hostname: "127.0.0.1", path: "/", headers: signed, body };
  return String((await signer.sign(request, { signingDate: new Date(date) })).headers.authorization);
}

describe("putting a batch", () => {
  it("sends what the SDK would have sent, by its way first and then by the quick one", async () => {
    const batch = fc.array(fc.dictionary(fc.constantFrom("key", "a", "ü"), value, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 2,
    });
    await document.send(batchPut({ t: items }));
    expect(received.map(bySdk)).toEqual([true]);
    await fc.assert(
      fc.asyncProperty(batch, async (some) => {
        received = [];
        await document.send(batchPut({ t: some }));
        const requests = some.map((Item) => ({ PutRequest: { Item } }));
        await document.send(new BatchWriteCommand({ RequestItems: { t: requests } }));
        expect(received.map(bySdk)).toEqual([false, true]);
        const [ours, theirs] = received.map(({ body }) => JSON.parse(body));
        expect(ours).toEqual(theirs);
        for (const name of ["host", "content-type", "x-amz-target", "x-amz-security-token"]) {
          expect(received[0]?.headers[name]).toBe(received[1]?.headers[name]);
        }
      }),
      { seed: 1, numRuns: 100 },
    );
  }, 60_000);

  it("signs what it sends, as the SDK does", async () => {
    for (let batch = 0; batch < 2; batch++) await document.send(batchPut({ t: items }));
    expect(received.map(bySdk)).toEqual([true, false]);
    for (const request of received) {
      expect(request.headers.authorization).toBe(await signatureOf(request, request.body));
      expect(request.headers.authorization).not.toBe(await signatureOf(request, `${request.body} `));
    }
  });

  it("signs for the region that the endpoint asks for", async () => {
    const resolve = document.config.endpointProvider;
    const properties = {
      authSchemes: [{ name: "sigv4", signingName: "dynamodb", signingRegion: "us-east-1", properties: {} }],
    };
    document.config.endpointProvider = (params) => ({ ...resolve(params), properties });
    for (let batch = 0; batch < 2; batch++) await document.send(batchPut({ t: items }));
    expect(received.map(bySdk)).toEqual([true, false]);
    for (const { headers } of received) expect(headers.authorization).toContain("/us-east-1/dynamodb/");
  });

  it("signs by the service's clock", async () => {
    await document.send(batchPut({ t: items }));
    document.config.systemClockOffset = 86_400_000;
    await document.send(batchPut({ t: items }));
    const [today, tomorrow] = received.map(({ headers }) => String(headers["x-amz-date"]).slice(0, 8));
    expect(Number(tomorrow)).toBeGreaterThan(Number(today));
    expect(received.map(bySdk)).toEqual([true, false]);
  });

  const bad: [string, (response: ServerResponse) => unknown][] = [
    ["an error of the service", (response) => response.writeHead(500).end("{}")],
    ["refused credentials", (response) => response.writeHead(400).end('{"__type":"ExpiredTokenException"}')],
    ["an answer that is cut off", (response) => response.end('{"Unproc')],
    ["an answer of another kind", (response) => response.end("{}")],
    ["an item left over that was never sent", (response) => response.end(unprocessed([{ key: "other" }]))],
    ["a lost connection", (response) => response.destroy()],
  ];
  it.each(bad)("goes the SDK's way after %s", async (_, answer) => {
    await document.send(batchPut({ t: items }));
    answers = [answer];
    expect((await document.send(batchPut({ t: items }))).UnprocessedItems).toEqual({});
    expect(received.map(bySdk)).toEqual([true, false, true]);
    expect(received[2]?.body).toBe(received[1]?.body);
  });

  it("says what the service has left over, and leaves sending it again to the caller", async () => {
    await document.send(batchPut({ t: items }));
    const left = unprocessed(items.slice(1));
    answers = [(response) => response.end(left)];
    const { UnprocessedItems } = await document.send(batchPut({ t: items }));
    expect(UnprocessedItems).toEqual({ t: [{ PutRequest: { Item: items[1] } }] });
    expect(received.map(bySdk)).toEqual([true, false]);
  });

  it("throws what the service says, as the SDK does", async () => {
    await document.send(batchPut({ t: items }));
    const refusal = (response: ServerResponse) =>
      response.writeHead(400).end('{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"no"}');
    answers = [refusal, refusal];
    await expect(document.send(batchPut({ t: items }))).rejects.toMatchObject({ name: "ValidationException" });
  });

  it("ends when it is told to", async () => {
    await document.send(batchPut({ t: items }));
    const stop = new AbortController();
    answers = [() => stop.abort()];
    await expect(document.send(batchPut({ t: items }), { abortSignal: stop.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(received).toHaveLength(2);
  });
});

function unprocessed(left: readonly Readonly<Record<string, unknown>>[]): string {
  const requests = left.map((item) => `{"PutRequest":{"Item":${membersJson(item)}}}`);
  return `{"UnprocessedItems":{"t":[${requests.join(",")}]}}`;
}
