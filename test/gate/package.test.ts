/** What an application gets: made by the package's own build, and run by the system's Node.js if that is another. */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const manifest = z.looseObject({
  exports: z.record(z.string(), z.object({ types: z.string(), default: z.string() })),
  files: z.array(z.string()),
});

describe("the package", () => {
  const directory = temporaryDirectory();
  const built = join(directory.path, "gate");
  let packed: string[] = [];
  const described = manifest.parse(JSON.parse(readFileSync("gate/package.json", "utf8")));

  beforeAll(() => {
    mkdirSync(built, { recursive: true });
    cpSync("gate/src", join(built, "src"), { recursive: true });
    cpSync("gate/package.json", join(built, "package.json"));
    cpSync("gate/README.md", join(built, "README.md"));
    cpSync("tsconfig.json", join(directory.path, "tsconfig.json"));
    cpSync("gate/tsconfig.json", join(built, "tsconfig.json"));
    symlinkSync(resolve("node_modules"), join(directory.path, "node_modules"));
    execFileSync(process.execPath, [resolve("node_modules/typescript/bin/tsc"), "--project", "tsconfig.json"], {
      cwd: built,
    });
    const npm = ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"];
    const answer: unknown = JSON.parse(execFileSync("npm", npm, { cwd: built, encoding: "utf8" }));
    const listing = z.array(z.object({ files: z.array(z.object({ path: z.string() })) }));
    packed =
      listing
        .parse(Array.isArray(answer) ? answer : [answer])[0]
        ?.files.map(({ path }) => path)
        .sort() ?? [];
  }, 120_000);
  afterAll(() => directory[Symbol.dispose]());

  it("holds JavaScript and types of each source, and nothing else", () => {
    const sources = globSync("*.ts", { cwd: "gate/src" }).map((file) => file.replace(/\.ts$/, ""));
    const expected = sources.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]);
    expect(packed).toEqual([...expected, "README.md", "package.json"].sort());
  });

  it("has what it exports, and depends on nothing", () => {
    for (const paths of Object.values(described.exports)) {
      for (const path of Object.values(paths)) expect(packed).toContain(path.replace("./", ""));
    }
    expect(Object.keys(described).filter((key) => /dependencies/i.test(key))).toEqual([]);
    const imported = globSync("dist/*.js", { cwd: built }).flatMap((file) =>
      Array.from(readFileSync(join(built, file), "utf8").matchAll(/from "([^"]+)"/g), ([, name]) => name ?? ""),
    );
    expect(imported.filter((name) => !/^node:|^\.\/[\w-]+\.js$/.test(name))).toEqual([]);
  });

  it("runs as an application imports it, and does not keep it alive", () => {
    const application = join(directory.path, "application.mjs");
    const path = (name: string) =>
      JSON.stringify(join(built, (described.exports[name]?.default ?? "").replace("./", "")));
    writeFileSync(
      application,
      `import { createGate } from ${path(".")};
       import { gatePool } from ${path("./pg")};
       import { gateProcessor } from ${path("./bullmq")};
       const gate = createGate({ url: "http://127.0.0.1:9", database: "d", role: "r", mode: "enforce", onWarning() {} });
       const pool = gatePool({ query: async (text) => text, connect() {} }, gate, { deferBy: 500 });
       const process = gateProcessor(async (job) => job.name, gate, { deferBy: 500 });
       console.log(await pool.query("select 1"), await process({ name: "j", queueName: "q" }), await gate.run({ id: "x", deferBy: 500 }, () => 3));`,
    );
    const run = (node: string) => execFileSync(node, [application], { encoding: "utf8", timeout: 60_000 });
    for (const node of ["node", process.execPath]) expect(run(node)).toBe("select 1 j 3\n");
  }, 130_000);
});
