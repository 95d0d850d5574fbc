/** The secret that the processes of one directory share. */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { token } from "../platform/config.ts";
import { LocalError } from "./errors.ts";

const fileOf = (directory: string) => join(directory, "token");

/** The directory's token; undefined when there is none yet. */
export function readToken(directory: string): string | undefined {
  try {
    return token.parse(readFileSync(fileOf(directory), "utf8").trim());
  } catch {
    return undefined;
  }
}

/**
 * The directory's token, made when there is none. Only its owner may read the file.
 * @throws LocalError when the file holds something else
 */
export function ensureToken(directory: string): string {
  const file = fileOf(directory);
  mkdirSync(directory, { recursive: true });
  if (existsSync(file)) chmodSync(file, 0o600);
  else writeFileSync(file, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  const made = readToken(directory);
  if (made === undefined) throw new LocalError(`${file} holds no token: remove it, and a new one is made`);
  return made;
}
