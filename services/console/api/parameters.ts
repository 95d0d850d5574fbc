import type { Context } from "hono";
import { z } from "zod";
import { httpError } from "../../../platform/http.ts";
import { describeError } from "../../../platform/log.ts";
import type { Hub } from "../live/hub.ts";

/** Unix ms in an address. */
export const timeParameter = z.coerce.number().int().min(0).max(9_999_999_999_999);

export const rangeFields = z.object({ from: timeParameter.optional(), to: timeParameter.optional() });

/** `from` and `to` in Unix ms, by default the last `defaultMs`; a longer range than `mostMs` is refused. */
export function rangeParameters(defaultMs: number, mostMs: number) {
  return rangeFields
    .transform(({ from, to }) => {
      const end = to ?? (from === undefined ? Date.now() : Math.min(Date.now(), from + defaultMs));
      return { from: from ?? end - defaultMs, to: end };
    })
    .refine(({ from, to }) => from < to, "from must be before to")
    .refine(({ from, to }) => to - from <= mostMs, `at most ${mostMs / 3_600_000} hours can be read at once`);
}

/**
 * The address's parameters, parsed by `schema`.
 * @throws HTTPException 400 saying which is wrong
 */
export function parseQuery<Schema extends z.ZodType>(context: Context, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(context.req.query());
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, 5).map(({ path, message }) => [...path, message].join(": "));
  throw httpError(400, wrong.join("; ").slice(0, 500), parsed.error);
}

/**
 * What `read` gives of the server that the console follows.
 * @throws HTTPException 503 in one line while the server is not known or the tables do not answer
 */
export async function available<Value>(hub: Hub, read: (serverId: string) => Promise<Value>): Promise<Value> {
  if (hub.serverId === undefined)
    throw httpError(503, "the database server has not answered yet: whose data to read is not known");
  try {
    return await read(hub.serverId);
  } catch (error) {
    throw httpError(503, `the tables do not answer: ${describeError(error)}`.slice(0, 300), error);
  }
}
