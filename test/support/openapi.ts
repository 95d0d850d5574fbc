/** What an OpenAPI document says of an answer, read from the document as it stands there, without a word of ours. */
import { z } from "zod";

const media = z.object({ schema: z.looseObject({}) });
const operation = z.object({
  parameters: z
    .array(z.object({ name: z.string(), in: z.enum(["query", "path"]), schema: z.looseObject({}) }))
    .default([]),
  responses: z.record(z.string(), z.object({ content: z.record(z.string(), media).optional() })),
  requestBody: z.object({ content: z.record(z.string(), media) }).optional(),
});
const openApi = z.object({
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});

export interface Answer {
  readonly status: number;
  /** Its media type, without parameters; undefined where it has no body. */
  readonly type: string | undefined;
  readonly text: string;
}

export function readOpenApi(document: unknown) {
  const { paths, components } = openApi.parse(document);
  const schemaOf = (schema: object): z.ZodType => {
    const text = JSON.stringify({ ...schema, $defs: components.schemas });
    return z.fromJSONSchema(JSON.parse(text.replaceAll("#/components/schemas/", "#/$defs/")));
  };
  return {
    paths,
    /** What an answer has that is not documented for its path (as the document writes it) and method; undefined when nothing. */
    undocumented(path: string, method: string, { status, type, text }: Answer): string | undefined {
      const responses = paths[path]?.[method]?.responses;
      const response = responses?.[status] ?? responses?.default;
      if (!response) return `${status} is not documented`;
      if (type === undefined || text === "") return response.content ? "a body is documented" : undefined;
      const content = response.content?.[type];
      if (!content) return response.content ? `${type} is not documented` : "a body is not documented";
      const parsed = schemaOf(content.schema).safeParse(type === "application/json" ? JSON.parse(text) : text);
      return parsed.success ? undefined : z.prettifyError(parsed.error);
    },
    /** What an event of a documented stream has that is not documented. */
    undocumentedEvent(path: string, data: string): string | undefined {
      const schema = paths[path]?.get?.responses["200"]?.content?.["text/event-stream"]?.schema;
      if (!schema) return "no stream is documented";
      const parsed = schemaOf(schema).safeParse(JSON.parse(data));
      return parsed.success ? undefined : z.prettifyError(parsed.error);
    },
  };
}

/** As `fetch` gave it. */
export async function answerOf(response: Response): Promise<Answer> {
  const type = response.headers.get("content-type")?.split(";")[0];
  return { status: response.status, type, text: await response.text() };
}
