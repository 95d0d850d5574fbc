import type { Context } from "hono";
import { z } from "zod";
import { httpError } from "../../../platform/http.ts";

/** Unix ms in an address. */
export const timeParameter = z.coerce.number().int().min(0).max(9_999_999_999_999);

/**
 * The address's parameters, parsed by `schema`.
 * @throws HTTPException 400 saying which is wrong
 */
export function parseQuery<Schema extends z.ZodType>(context: Context, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(context.req.query());
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join(".") || "address"}: ${message}`);
  throw httpError(400, wrong.join("; ").slice(0, 500), parsed.error);
}
