import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "@jest/globals";
import { ensureToken, readToken } from "../../local/token.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

it("is made once, is long, and is its owner's alone", () => {
  const place = join(directory.path, "a");
  expect(readToken(place)).toBeUndefined();
  const token = ensureToken(place);
  expect(token).toMatch(/^[\w-]{43}$/);
  const file = join(place, "token");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  chmodSync(file, 0o644);
  expect(ensureToken(place)).toBe(token);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readToken(place)).toBe(token);
  expect(ensureToken(join(directory.path, "b"))).not.toBe(token);
});

it("is not overwritten when the file holds something else", () => {
  const file = join(directory.path, "token");
  writeFileSync(file, "short");
  expect(() => ensureToken(directory.path)).toThrow(`${file} holds no token: remove it, and a new one is made`);
  expect(readFileSync(file, "utf8")).toBe("short");
});
