import { beforeAll, describe, expect, it } from "@jest/globals";
import { createIdentities, type Identities } from "../../../services/gatekeeper/identity.ts";
import { joinWords, withoutConstants } from "../../../services/gatekeeper/normalise.ts";

let identities: Identities;
beforeAll(async () => {
  identities = await createIdentities();
});

const whole = (sql: string) => ({ sql, length: sql.length });
const idOf = (sql: string, database = "shop", role = "app") => identities.identify(database, role, whole(sql)).queryId;

describe("a statement's id", () => {
  it("is database, role and fingerprint", () => {
    expect(idOf("select 1")).toBe("shop:app:50fde20626009aba");
  });

  it.each([
    ["select a from t where b = 1", "select  a\nfrom t -- x\nwhere b = 2"],
    ["select a from t where b in (1, 2, 3)", "select a from t where b in (7)"],
    ["insert into t values (1, 'x'), (2, 'y')", "insert into t values (3, 'z')"],
    ["select a from t where b = $1", "select a from t where b = 'x'"],
  ])("does not depend on constants: %s", (one, other) => {
    expect(idOf(one)).toBe(idOf(other));
  });

  it.each([
    ["select a from t", "select a from u"],
    ["select a from t", "select b from t"],
    ["select a from t where b = 1", "select a from t where b > 1"],
  ])("tells apart %s and %s", (one, other) => {
    expect(idOf(one)).not.toBe(idOf(other));
  });

  it("is another one in another database or for another role", () => {
    const ids = [idOf("select 1"), idOf("select 1", "store"), idOf("select 1", "shop", "owner")];
    expect(new Set(ids).size).toBe(3);
  });

  it("an explicit one wins", () => {
    expect(identities.identify("shop", "app", { id: "nightly" })).toEqual({ queryId: "nightly", trouble: null });
  });

  it.each(["selec 1", "", "  ", "select 'x", "select 1\0, 2", "(".repeat(30_000)])(
    "of what does not parse is of its text without constants, and told: %#",
    (sql) => {
      const { queryId, trouble } = identities.identify("shop", "app", whole(sql));
      expect(queryId).toMatch(/^shop:app:text-[0-9a-f]{16}$/);
      expect(trouble).toContain("does not parse");
    },
  );

  it("of what does not parse does not depend on constants either", () => {
    expect(idOf("selec 1 from t where b in ('a', 'b')")).toBe(idOf("selec 2 from t where b in ('c')"));
    expect(idOf("selec a from t")).not.toBe(idOf("selec b from t"));
  });

  it("of a very long one is of its beginning, and told", () => {
    const sql = `select a from t where b in (${"1,".repeat(10_000)}`;
    const { queryId, trouble } = identities.identify("shop", "app", { sql, length: 1_000_000 });
    expect(queryId).toMatch(/^shop:app:long-/);
    expect(trouble).toBe(`a statement of 1000000 characters is told apart by its first ${sql.length}`);
    expect(identities.identify("shop", "app", { sql: `${sql}2,3`, length: 2_000_000 }).queryId).toBe(queryId);
  });

  it("takes any name of a database or role", () => {
    expect(idOf("select 1", "a #b", "ö")).toBe("a%20%23b:%C3%B6:50fde20626009aba");
    const long = [idOf("select 1", "x".repeat(200)), idOf("select 1", `${"x".repeat(199)}y`)];
    expect(long[0]).not.toBe(long[1]);
    expect(long[0]?.length).toBeLessThan(200);
  });
});

describe("what is kept of statements", () => {
  const secret = "s3cr3t";
  const hiding = [
    `select '${secret}'`,
    `select 'a\\', '${secret}', '\\'`,
    `select E'a\\'${secret}'`,
    `select U&'${secret}', N'${secret}', x'AB', $$${secret}$$, $t$ ${secret} $$ ${secret} $t$`,
    `select 1 /* ${secret} /* ${secret} */ ${secret} */ -- ${secret}`,
    `create role r password '${secret}'`,
    `do $$ begin perform '${secret}'; end $$`,
    `set x = '${secret}'`,
  ];

  it("is free of constants and comments", () => {
    for (const sql of hiding) expect([sql, identities.identify("d", "r", whole(sql)).trouble]).toEqual([sql, null]);
    expect(JSON.stringify(identities.texts())).not.toContain(secret);
  });

  it("is nothing of what does not parse", () => {
    const before = identities.texts().length;
    idOf(`selec ${secret} "${secret}" '${secret}`);
    expect(identities.texts().length).toBe(before);
  });

  it("planted fault: a secret that is not a constant shows", () => {
    idOf(`select ${secret} from t`);
    expect(JSON.stringify(identities.texts())).toContain(secret);
  });

  it("reads as one line", () => {
    const sql = "select  a, b\nfrom t as u where u.c in (1, 2, 3) and d = -1 or (e = 'x')";
    const id = idOf(sql);
    const text = identities.texts().find(({ queryId }) => queryId === id)?.text;
    expect(text).toBe("select a, b from t as u where u.c in(?) and d = ? or(e = ?)");
  });

  it("is bounded", () => {
    for (let number = 0; number < 5_100; number++) idOf(`select a${number} from t`);
    expect(identities.texts().length).toBe(5_000);
  }, 60_000);
});

describe("text without constants", () => {
  it("is that of any text", () => {
    expect(withoutConstants(`SELEC "A b", 1.5, 'x''y' /* c */ FROM t -- d`)).toBe('selec "A b", ? from t');
    expect(withoutConstants("")).toBe("");
    expect(joinWords(["(", "?", ",", "?", ")"])).toBe("(?)");
  });

  it("takes time in proportion to the text", () => {
    for (const text of ["'", "$a$", "/*", '"', "(", "?,", "-", " "])
      expect(withoutConstants(text.repeat(30_000))).toBeDefined();
  });
});
