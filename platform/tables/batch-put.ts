/**
 * Puts a batch of items with a tenth of the processor time that the SDK's command takes: that a recorded row needs more
 * of it than all else together, and a function is paid for it. Why it is safe: docs/adr/0725.
 */
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { BatchWriteCommand, type DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { membersJson } from "./attribute-json.ts";
import type { TableItem } from "./keys.ts";

type Config = DynamoDBDocumentClient["config"];
type Request = Parameters<Config["requestHandler"]["handle"]>[0];
type Signer = Awaited<ReturnType<Config["signer"]>>;
type Handler = ReturnType<BatchWriteCommand["resolveMiddleware"]>;

/** By client: a request of the SDK's that went well, for where it went, and what signs requests to there. */
const wellGone = new WeakMap<Config, { readonly like: Request; readonly signer: Signer }>();

/** A `BatchWriteCommand` that puts `items` by table. */
export function batchPut(items: Readonly<Record<string, readonly TableItem[]>>): BatchWriteCommand {
  return new BatchPutCommand(items);
}

/**
 * Its request's body is made straight from the items. Once the SDK has sent one to a service, the others are sent from here,
 * signed by its signer; whatever does not go well (an error, a time-out, a damaged answer) goes the SDK's way again, which
 * knows about retries and clocks that differ. Putting an item twice is putting it once.
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
    const body = Buffer.from(requestBody(this.#items));
    const throughSdk = () => {
      this.middlewareStack.add((next) => (args) => next({ ...args, input: { RequestItems: {} } }), {
        step: "initialize",
        priority: "high",
        override: true,
        name: "spareTheSerializer",
      });
      this.middlewareStack.add(
        (next, context) => async (args) => {
          const like = Object.assign(Object(args.request), { body });
          const answer = await next({ ...args, request: like });
          const signer = await config.signer(context.endpointV2?.properties?.authSchemes?.[0]);
          wellGone.set(config, { like, signer });
          return answer;
        },
        { step: "build", priority: "high", name: "bodyAsMade", override: true },
      );
      return super.resolveMiddleware(stack, config, options);
    };
    return async (command) => {
      const way = wellGone.get(config);
      const left = way && leftOver(await putQuickly({ config, ...way }, body, options?.abortSignal), this.#items);
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

interface Way {
  readonly config: Config;
  readonly like: Request;
  readonly signer: Signer;
}

/** The service's answer, parsed; undefined when there is none that can be relied on. @throws AbortError */
async function putQuickly({ config, like, signer }: Way, body: Buffer, abort: Abort): Promise<unknown> {
  try {
    const { hostname, port } = like;
    const headers = {
      "content-length": String(body.length),
      "content-type": "application/x-amz-json-1.0",
      host: port === undefined ? hostname : `${hostname}:${port}`,
      "x-amz-target": "DynamoDB_20120810.BatchWriteItem",
    };
    const request = Object.assign(Object.create(Object.getPrototypeOf(like)), like, { body, headers });
    const signingDate = new Date(Date.now() + config.systemClockOffset);
    const signed = Object.assign(request, await signer.sign(request, { signingDate }));
    const { response } = await config.requestHandler.handle(signed, abort ? { abortSignal: abort } : {});
    return response.statusCode === 200 ? JSON.parse(await text(response.body)) : undefined;
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
