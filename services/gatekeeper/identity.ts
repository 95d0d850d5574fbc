import { createHash } from "node:crypto";
import { fingerprintSync, loadModule, scanSync } from "libpg-query";
import type { GateStatement } from "../../platform/gate-wire.ts";
import { joinWords, withoutConstants } from "./normalise.ts";

export interface Identity {
  readonly queryId: string;
  /** What a person should know about how it was identified; null when nothing. Never holds the statement. */
  readonly trouble: string | null;
}

export interface Identities {
  /** What a statement of a database and role is called: an explicit id as it is, else `database:role:fingerprint`. */
  identify(database: string, role: string, statement: GateStatement): Identity;
  /** The most recently used statements that parse, without their constants, each at most 1,000 characters. */
  texts(): { readonly queryId: string; readonly text: string }[];
}

const keptIdentities = 5_000;
const keptCharacters = 8 * 1024 * 1024;
const keptTextCharacters = 1_000;

/** Loads PostgreSQL's own parser (libpg-query, WebAssembly). */
export async function createIdentities(): Promise<Identities> {
  await loadModule();
  const cache = new Map<string, Identity>();
  const texts = new Map<string, string>();
  let characters = 0;

  function forget(key: string): void {
    if (cache.delete(key)) characters -= key.length;
  }

  function keepText(queryId: string, sql: string): void {
    const text = texts.get(queryId) ?? textOf(sql);
    texts.delete(queryId);
    texts.set(queryId, text);
    const [oldest] = texts.keys();
    if (texts.size > keptIdentities && oldest !== undefined) texts.delete(oldest);
  }

  return {
    identify(database, role, statement) {
      if ("id" in statement) return { queryId: statement.id, trouble: null };
      const key = `${database}\n${role}\n${statement.length}\n${statement.sql}`;
      const identity = cache.get(key) ?? fresh(`${part(database)}:${part(role)}`, statement.sql, statement.length);
      forget(key);
      cache.set(key, identity);
      characters += key.length;
      for (const oldest of cache.keys()) {
        if (cache.size <= keptIdentities && characters <= keptCharacters) break;
        forget(oldest);
      }
      if (identity.trouble === null) keepText(identity.queryId, statement.sql);
      return identity;
    },
    texts: () => Array.from(texts, ([queryId, text]) => ({ queryId, text })),
  };
}

function fresh(prefix: string, sql: string, length: number): Identity {
  if (length > sql.length) {
    const trouble = `a statement of ${length} characters is told apart by its first ${sql.length}`;
    // A list may be cut off before or after a comma.
    const text = withoutConstants(sql).replace(/[?,( ]+$/, "");
    return { queryId: `${prefix}:long-${hashOf(text)}`, trouble };
  }
  const fingerprint = fingerprintOf(sql);
  if (fingerprint !== undefined) return { queryId: `${prefix}:${fingerprint}`, trouble: null };
  const trouble = "a statement does not parse as PostgreSQL's SQL: it is told apart by its text without constants";
  return { queryId: `${prefix}:text-${hashOf(withoutConstants(sql))}`, trouble };
}

/** Of SQL that parses: its own lexer finds every constant and comment. */
function textOf(sql: string): string {
  try {
    const words = scanSync(sql).tokens.flatMap(({ tokenName, text }) => {
      if (tokenName.endsWith("COMMENT")) return [];
      // Its names for tokens are not complete: a bit string is UNKNOWN.
      const constant = tokenName.endsWith("CONST") || /^[$\d]|^[^"]*'/.test(text);
      return [constant ? "?" : text];
    });
    return joinWords(words).slice(0, keptTextCharacters);
  } catch {
    return "";
  }
}

function fingerprintOf(sql: string): string | undefined {
  // The parser stops at a NUL.
  if (sql.trim() === "" || sql.includes("\0")) return undefined;
  try {
    const answer = fingerprintSync(sql);
    // It returns the text of an error instead of throwing it.
    return /^[0-9a-f]{16}$/.test(answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** A name as a part of an id: what ids cannot hold is written otherwise, and a long one is cut, still distinct. */
function part(name: string): string {
  const plain = encodeURIComponent(name.toWellFormed());
  return plain.length <= 64 ? plain : `${plain.slice(0, 47)}~${hashOf(name)}`;
}
