import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";

/** A document client whose commands go to `answer` (name such as `PutCommand`, and input) and never to a network. */
export function documentAnsweredBy(
  answer: (command: string, input: Readonly<Record<string, unknown>>) => object | Promise<object>,
): DynamoDBDocumentClient {
  const client = new DynamoDBClient({
    region: "us-east-1",
    credentials: { accessKeyId: "none", secretAccessKey: "none" },
  });
  const document = DynamoDBDocumentClient.from(client);
  document.middlewareStack.add(
    (_, context) => async (args) => {
      const name = String(context.commandName);
      const output = await answer(name, { ...args.input });
      return { output: { $metadata: {}, ...output }, response: {} };
    },
    { step: "initialize", priority: "high" },
  );
  return document;
}

const conditions = z.object({
  KeyConditions: z.record(
    z.string(),
    z.object({ ComparisonOperator: z.string(), AttributeValueList: z.array(z.string()) }),
  ),
});

/** What a `QueryCommand` asks for: `platform/tables/query.ts`. */
export function askedFor(input: unknown): { partition: string; from: string; to: string } {
  const all = Object.values(conditions.parse(input).KeyConditions);
  const [partition = ""] = all.find(({ ComparisonOperator }) => ComparisonOperator === "EQ")?.AttributeValueList ?? [];
  const between = all.find(({ ComparisonOperator }) => ComparisonOperator === "BETWEEN")?.AttributeValueList;
  return { partition, from: between?.[0] ?? "", to: between?.[1] ?? "~" };
}
