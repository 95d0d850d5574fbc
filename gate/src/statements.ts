import type { GateWarning, Work } from "./options.ts";

/** A statement as the gatekeeper is told of it: with its text until it has said what it is called. */
export interface Statement {
  wire: { readonly id: string } | { readonly sql: string; readonly length: number };
}

/** Longer text is told by its beginning. */
const longestSql = 32_768;
const keptStatements = 2_000;
const keptCharacters = 4 * 1024 * 1024;

/** Remembers what statements are called: those used since the last change of generation, and in the one before. */
export class Statements {
  readonly #warn: (warning: GateWarning) => void;
  #bySql = new Map<string, Statement>();
  #before = new Map<string, Statement>();
  readonly #byId = new Map<string, Statement>();
  #characters = 0;

  constructor(warn: (warning: GateWarning) => void) {
    this.#warn = warn;
  }

  of({ id, sql }: Work): Statement {
    if (id !== undefined) return this.#named(id);
    if (typeof sql !== "string") {
      this.#warn({ code: "work", message: "neither sql nor id was given: the work counts as 'unnamed'" });
      return this.#named("unnamed");
    }
    const { length } = sql;
    // A copy: a part of a string keeps all of it in memory.
    if (length > longestSql) return { wire: { sql: Buffer.from(sql.slice(0, longestSql)).toString(), length } };
    const known = this.#bySql.get(sql);
    if (known) return known;
    const statement: Statement = this.#before.get(sql) ?? { wire: { sql, length } };
    // A generation at a time: a use costs no more than looking it up.
    if (this.#bySql.size >= keptStatements / 2 || this.#characters + length > keptCharacters / 2) {
      this.#before = this.#bySql;
      this.#bySql = new Map();
      this.#characters = 0;
    }
    this.#bySql.set(sql, statement);
    this.#characters += length;
    return statement;
  }

  #named(id: string): Statement {
    const known = this.#byId.get(id);
    if (known) return known;
    const usable = String(id)
      .slice(0, 200)
      .replaceAll(/[#\s\p{Cc}\p{Cs}\ufffe\uffff]/gu, "_");
    if (usable !== id) {
      this.#warn({
        code: "id",
        message: `an id holds no '#', white space or control character: it becomes '${usable}'`,
      });
    }
    const statement: Statement = { wire: { id: usable || "unnamed" } };
    if (this.#byId.size >= keptStatements) this.#byId.clear();
    this.#byId.set(id, statement);
    return statement;
  }
}
