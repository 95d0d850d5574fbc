import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { type LockFile, licencesOf, lockFile, readLockFile } from "../../local/licences.ts";

const names = z.record(z.string(), z.string());
const manifest = z
  .object({ dependencies: names, devDependencies: names, allowScripts: z.record(z.string(), z.boolean()) })
  .parse(JSON.parse(readFileSync("package.json", "utf8")));
const lock = readLockFile();

/** A workspace of this repository, or the link to it. */
const isOurs = (path: string) => !path.startsWith("node_modules/") || lock.packages[path]?.link === true;
const nameOf = (path: string) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

/** Packages with install scripts that nobody decided about, and decisions about none. */
function undecided({ packages }: LockFile, decided: Readonly<Record<string, boolean>>): string[] {
  const scripted = new Set(
    Object.entries(packages).flatMap(([path, one]) => (one.hasInstallScript ? [nameOf(path)] : [])),
  );
  return [...scripted]
    .filter((name) => !Object.hasOwn(decided, name))
    .concat(Object.keys(decided).filter((name) => !scripted.has(name)));
}

/** Ranges where one version is expected. */
const loose = (versions: Readonly<Record<string, string>>) =>
  Object.entries(versions)
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name]) => name);

/** Packages that the lock file does not hold to what was published: no version, or no hash where one is fetched here. */
const unpinned = ({ packages }: LockFile) =>
  Object.entries(packages)
    .filter(([path]) => path !== "" && !isOurs(path))
    .filter(([, { version, integrity, inBundle, optional }]) => !version || !(integrity || inBundle || optional))
    .map(([path]) => nameOf(path));

const notFree = (file: LockFile) =>
  licencesOf(file)
    .filter((one) => !one.free)
    .map(({ name }) => name);

describe("npm packages", () => {
  it("run install scripts only where package.json lists them", () => {
    expect(undecided(lock, manifest.allowScripts)).toEqual([]);
    expect(readFileSync(".npmrc", "utf8").split("\n")).toContain("strict-allow-scripts=true");
  });

  it("are of one version each, with a hash", () => {
    expect(loose({ ...manifest.dependencies, ...manifest.devDependencies })).toEqual([]);
    expect(unpinned(lock)).toEqual([]);
    expect(readFileSync(".npmrc", "utf8").split("\n")).toContain("save-exact=true");
  });

  it("are installed as locked, everywhere", () => {
    for (const file of ["Dockerfile", "local/install.sh"]) {
      const text = readFileSync(file, "utf8");
      expect([
        file,
        text.includes("npm ci"),
        /npm (i|install|add)\b/.test(text.replaceAll(/echo.*|stop ".*/g, "")),
      ]).toEqual([file, true, false]);
    }
  });

  it("have free licences", () => {
    expect(licencesOf(lock).length).toBeGreaterThan(400);
    expect(notFree(lock)).toEqual([]);
  });
});

describe("Python packages", () => {
  /** Requirements without one version or without a hash. */
  const wrong = (text: string) =>
    text
      .replaceAll("\\\n", " ")
      .split("\n")
      .filter((line) => line.trim() !== "" && !line.trim().startsWith("#"))
      .filter((line) => !/^[\w.-]+(\[[\w,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}/.test(line));

  it("are of one version each, with hashes", () => {
    const text = ["", "-redis", "-tpch"].map((list) => readFileSync(`local/requirements${list}.txt`, "utf8")).join("");
    expect(text.match(/==/g)?.length).toBeGreaterThan(5);
    expect(text).toMatch(/^duckdb==/m);
    expect(wrong(text)).toEqual([]);
  });

  it("would be found without", () => {
    const hash = `--hash=sha256:${"0".repeat(64)}`;
    expect(wrong(`a==1 \\\n    ${hash}\nb>=1 \\\n    ${hash}\nc==1\n# d\n`)).toEqual([
      expect.stringMatching(/^b/),
      "c==1",
    ]);
  });
});

describe("planted faults", () => {
  const withPackage = (one: object) =>
    lockFile.parse({
      packages: {
        ...lock.packages,
        "node_modules/extra": { version: "1.0.0", license: "MIT", integrity: "sha512-x", ...one },
      },
    });

  it("nothing is found in a package that is as it should be", () => {
    const fine = withPackage({});
    expect([...undecided(fine, manifest.allowScripts), ...unpinned(fine), ...notFree(fine)]).toEqual([]);
  });

  it("an install script that nobody decided about is found, and a decision about none", () => {
    expect(undecided(withPackage({ hasInstallScript: true }), manifest.allowScripts)).toEqual(["extra"]);
    expect(undecided(lock, { ...manifest.allowScripts, gone: true })).toEqual(["gone"]);
  });

  it("a range and a missing hash are found", () => {
    expect(loose({ a: "^1.0.0", b: "latest", c: "1.x", d: "git+https://x", e: "1.0.0", f: "1.0.0-rc.1" })).toEqual([
      "a",
      "b",
      "c",
      "d",
    ]);
    expect(unpinned(withPackage({ integrity: undefined }))).toEqual(["extra"]);
    expect(unpinned(withPackage({ version: undefined }))).toEqual(["extra"]);
  });

  it.each([
    ["GPL-3.0-only", true],
    ["AGPL-3.0", true],
    ["UNLICENSED", true],
    ["SEE LICENSE IN X", true],
    ["MIT AND GPL-2.0", true],
    ["CC-BY-4.0", true],
    [undefined, true],
    ["MIT OR GPL-2.0", false],
    ["(MIT AND ISC)", false],
  ])("the licence %s is found: %s", (license, found) => {
    expect(notFree(withPackage({ license }))).toEqual(found ? ["extra"] : []);
  });
});
