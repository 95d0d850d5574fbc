/**
 * Puts a batch of items with a tenth of the processor time that the SDK's command takes: that a recorded row needs more
 * of it than all else together, and a function is paid for it. Why it is safe: docs/adr/0725.
 */
import { createHmac, hash } from "node:crypto";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import { BatchWriteCommand, type DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { membersJson } from "./attribute-json.ts";
import type { TableItem } from "./keys.ts";

type Config = DynamoDBDocumentClient["config"];
type Request = Parameters<Config["requestHandler"]["handle"]>[0];
type Handler = ReturnType<BatchWriteCommand["resolveMiddleware"]>;

const target = "DynamoDB_20120810.BatchWriteItem";
const contentType = "application/x-amz-json-1.0";

/** By client: a request of the SDK's that went well, for where it went. */
const wellGone = new WeakMap<Config, Request>();

/** A `BatchWriteCommand` that puts `items` by table. */
export function batchPut(items: Readonly<Record<string, readonly TableItem[]>>): BatchWriteCommand {
  return new BatchPutCommand(items);
}

/**
 * Its request's body is made straight from the items. Once the SDK has sent one to a service, the others are signed and sent
 * here; whatever does not go well (an error, a time-out, a damaged answer) goes the SDK's way again, which knows about retries,
 * clocks that differ and renewed credentials. Putting an item twice is putting it once.
 */
class BatchPutCommand extends BatchWriteCommand {
  readonly #items: Readonly<Record<string, readonly TableItem[]>>;

  constructor(items: Readonly<Record<string, readonly TableItem[]>>) {
    super({
      RequestItems: Object.fromEntries(
        Object.entries(items).map(([table, group]) => [table, group.map((Item) => ({ PutRequest: { Item } }))]),
      ),
    });
    this.#items = items;
  }

  override resolveMiddleware(...[stack, config, options]: Parameters<BatchWriteCommand["resolveMiddleware"]>): Handler {
    const body = requestBody(this.#items);
    const throughSdk = () => {
      this.middlewareStack.add((next) => (args) => next({ ...args, input: { RequestItems: {} } }), {
        step: "initialize",
        priority: "high",
        override: true,
        name: "spareTheSerializer",
      });
      this.middlewareStack.add(
        (next) => async (args) => {
          const request = Object.assign(Object(args.request), { body });
          const answer = await next({ ...args, request });
          wellGone.set(config, request);
          return answer;
        },
        { step: "build", priority: "high", name: "bodyAsMade", override: true },
      );
      return super.resolveMiddleware(stack, config, options);
    };
    return async (command) => {
      const like = wellGone.get(config);
      const left = like && leftOver(await putQuickly(config, like, body, options?.abortSignal), this.#items);
      return left ? { output: { $metadata: {}, UnprocessedItems: left }, response: {} } : throughSdk()(command);
    };
  }
}

function requestBody(items: Readonly<Record<string, readonly TableItem[]>>): string {
  const tables = Object.entries(items).map(
    ([table, group]) =>
      `${JSON.stringify(table)}:[${group.map((item) => `{"PutRequest":{"Item":${membersJson(item)}}}`).join(",")}]`,
  );
  return `{"RequestItems":{${tables.join(",")}}}`;
}

type Abort = NonNullable<Parameters<BatchWriteCommand["resolveMiddleware"]>[2]>["abortSignal"];

/** The service's answer, parsed; undefined when there is none that can be relied on. @throws AbortError */
async function putQuickly(config: Config, like: Request, body: string, abort: Abort): Promise<unknown> {
  try {
    const [credentials, region] = await Promise.all([config.credentials(), config.region()]);
    const { hostname, port, path } = like;
    const headers = {
      "content-type": contentType,
      host: port === undefined ? hostname : `${hostname}:${port}`,
      "x-amz-date": new Date(Date.now() + config.systemClockOffset).toISOString().replace(/[-:]|\.\d+/g, ""),
      ...(credentials.sessionToken && { "x-amz-security-token": credentials.sessionToken }),
      "x-amz-target": target,
    };
    const authorization = sign({ headers, path, body, region, ...credentials });
    const sent = { ...headers, authorization, "content-length": String(Buffer.byteLength(body)) };
    const request = Object.assign(Object.create(Object.getPrototypeOf(like)), like, { body, headers: sent });
    const { response } = await config.requestHandler.handle(request, abort ? { abortSignal: abort } : {});
    const answer = await text(response.body);
    const checksum = response.headers["x-amz-crc32"];
    const whole = checksum === undefined || Number(checksum) === crc32(answer);
    return response.statusCode === 200 && whole ? JSON.parse(answer) : undefined;
  } catch (error) {
    if (abort?.aborted) throw error;
    return undefined;
  }
}

const answerSchema = z.object({
  UnprocessedItems: z.record(
    z.string(),
    z.array(z.object({ PutRequest: z.object({ Item: z.record(z.string(), z.unknown()) }) })),
  ),
});

/** What of `items` the service did not write, in a `BatchWriteCommand`'s form; undefined when the answer is not understood. */
function leftOver(answer: unknown, items: Readonly<Record<string, readonly TableItem[]>>) {
  const { success, data } = answerSchema.safeParse(answer);
  if (!success) return undefined;
  const left: Record<string, { PutRequest: { Item: TableItem } }[]> = {};
  for (const [table, requests] of Object.entries(data.UnprocessedItems)) {
    for (const { PutRequest } of requests) {
      const Item = items[table]?.find((item) => isDeepStrictEqual(JSON.parse(membersJson(item)), PutRequest.Item));
      if (!Item) return undefined;
      left[table] ??= [];
      left[table].push({ PutRequest: { Item } });
    }
  }
  return left;
}

export interface Signed {
  /** By name in lower case, in order of their names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  readonly body: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * The `authorization` header of a POST to DynamoDB, Signature Version 4.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function sign({ headers, path, body, region, accessKeyId, secretAccessKey }: Signed): string {
  const time = headers["x-amz-date"] ?? "";
  const scope = [time.slice(0, 8), region, "dynamodb", "aws4_request"];
  const names = Object.keys(headers).join(";");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = ["POST", path, "", lines.join(""), names, hash("sha256", body)].join("\n");
  const text = ["AWS4-HMAC-SHA256", time, scope.join("/"), hash("sha256", canonical)].join("\n");
  const signature = hmac(signingKey(secretAccessKey, scope), text).toString("hex");
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope.join("/")}, SignedHeaders=${names}, Signature=${signature}`;
}

let lastKey: { readonly of: string; readonly key: Buffer } | undefined;

/** The same all day, so it is kept. */
function signingKey(secret: string, scope: readonly string[]): Buffer {
  const of = [secret, ...scope].join("\n");
  if (lastKey?.of !== of) lastKey = { of, key: scope.reduce<string | Buffer>(hmac, `AWS4${secret}`) as Buffer };
  return lastKey.key;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
