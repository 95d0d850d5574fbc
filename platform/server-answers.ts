/** What a server's answers mean, and what it means that there is none. */
import { z } from "zod";
import { AddressRefused } from "./server-address.ts";
import { BadAnswer, ServerRefused, ServerUnreachable } from "./server-errors.ts";

export interface Answer {
  readonly where: string;
  readonly status: number;
  readonly text: string;
}

/** @throws ServerRefused */
export function okText(answer: Answer): string {
  if (answer.status < 200 || answer.status > 299) throw refused(answer);
  return answer.text;
}

export function refused({ where, status, text }: Answer): ServerRefused {
  const reason = status >= 300 && status < 400 ? "redirects are not followed" : reasonOf(text);
  return new ServerRefused(`${where}: ${status} ${reason}`, status);
}

const errorBody = z.object({ error: z.string() });

/** What an answer says for itself, cut short. */
export function reasonOf(text: string): string {
  try {
    return errorBody.parse(JSON.parse(text)).error.slice(0, 300);
  } catch {
    return text.replaceAll(/\s+/g, " ").slice(0, 300);
  }
}

/** @throws BadAnswer */
export function parse<Schema extends z.ZodType>(schema: Schema, text: string, where: string): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BadAnswer(`${where}: the answer is not JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, 3).map(({ path, message }) => `${path.join(".") || "answer"}: ${message}`);
  throw new BadAnswer(`${where}: ${wrong.join("; ").slice(0, 300)}`, { cause: parsed.error });
}

/** Codes of failures before a request is on its way. */
const notSent: ReadonlySet<unknown> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  AddressRefused.code,
]);

/** What requests throw: not always an instance of this realm's Error. */
const failure = z.object({ message: z.string().optional(), code: z.string().optional() });

export function unreachable(where: string, error: unknown): ServerUnreachable {
  const { message, code } = failure.safeParse(error).data ?? {};
  return new ServerUnreachable(`${where}: ${message || code || error}`, notSent.has(code) ? "no" : "unknown", error);
}
