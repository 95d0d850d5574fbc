import { z } from "zod";

/** Settings that cannot be used; the message is one line naming each variable and what is wrong with it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * Reads settings from environment variables; an empty variable counts as missing.
 * @throws ConfigError
 * @example parseEnvironment(z.object({ PORT: port.default(9000) }), process.env)
 */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  environment: Readonly<Record<string, string | undefined>>,
): z.infer<Schema> {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => {
    const name = issue.path.join(".");
    return name in given ? `${name} is wrong (${issue.message})` : `${name} is missing`;
  });
  throw new ConfigError(`environment: ${[...new Set(wrong)].join("; ")}`);
}

/** A TCP port in an environment variable; 0 lets the system choose. */
export const port = z
  .string()
  .regex(/^\d{1,5}$/, "a port is a number from 0 to 65535")
  .transform(Number)
  .refine((value) => value <= 65_535, "a port is a number from 0 to 65535");

/** A whole number, 0 or more, in an environment variable. */
export const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, "a whole number is expected")
  .transform(Number);

export const positiveWholeNumber = wholeNumber.refine((value) => value >= 1, "at least 1 is expected");

/** Comma-separated names in an environment variable. */
export const nameList = z.string().transform((text) =>
  text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== ""),
);

/** `EVENKEEL_TOKEN`: the secret that a server asks for. */
export const token = z
  .string()
  .regex(/^[\w.~+/=-]{16,512}$/, "a token is 16 to 512 letters, digits or ._~+/=-")
  .optional();
