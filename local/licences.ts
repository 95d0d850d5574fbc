/** `npm run licences`: the licences of all npm packages, from the lock file. Exit status 1 when one is not known to be free. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { root } from "./paths.ts";

export const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      integrity: z.string().optional(),
      resolved: z.string().optional(),
      hasInstallScript: z.boolean().default(false),
      inBundle: z.boolean().default(false),
      optional: z.boolean().default(false),
      dev: z.boolean().default(false),
      /** Leads to a workspace of this repository. */
      link: z.boolean().default(false),
    }),
  ),
});
export type LockFile = z.infer<typeof lockFile>;

export function readLockFile(): LockFile {
  return lockFile.parse(JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")));
}

/** Licences that ask for no more than that their text is kept. */
const free: ReadonlySet<string> = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
]);

/** Looked at one by one: `name` or the beginning of several names with `*`, and what was found. */
const reviewed: readonly (readonly [name: string, licence: string, why: string])[] = [
  ["axe-core", "MPL-2.0", "runs in tests, unchanged, and is not shipped"],
  ["caniuse-lite", "CC-BY-4.0", "data of a development tool, not shipped"],
  ["@biomejs/cli-*", "MIT OR Apache-2.0", "other platforms' binaries of @biomejs/biome: named by hand, ADR 0604"],
  ["@unrs/resolver-binding-*", "MIT", "other platforms' binaries of unrs-resolver: named by hand, ADR 0604"],
];

export interface Licence {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** Whether it may be used as it is. */
  readonly free: boolean;
}

/** Whether an SPDX expression of AND and OR, with parentheses around the whole at most, is satisfied by free licences. */
function isFree(expression: string): boolean {
  const bare = expression.replace(/^\((.*)\)$/, "$1");
  if (/[()]/.test(bare)) return false;
  return bare.split(" OR ").some((choice) => choice.split(" AND ").every((licence) => free.has(licence)));
}

/** Every package of the lock file but the project and its workspaces, by name. */
export function licencesOf({ packages }: LockFile): Licence[] {
  return Object.entries(packages)
    .filter(([path, { link }]) => path.startsWith("node_modules/") && !link)
    .map(([path, { version = "", license }]) => {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      const known = reviewed.find(([pattern, licence]) => {
        const same = pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
        return same && (license === undefined || license === licence);
      });
      const licence = license ?? known?.[1] ?? "unknown";
      return { name, version, licence, free: known !== undefined || isFree(licence) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

if (import.meta.main) {
  const all = licencesOf(readLockFile());
  const byLicence = Map.groupBy(all, ({ licence }) => licence);
  for (const [licence, packages] of [...byLicence].sort(([, a], [, b]) => b.length - a.length)) {
    const names = [...new Set(packages.map(({ name, version }) => `${name} ${version}`))];
    process.stdout.write(`${licence} (${names.length})\n  ${names.join(", ")}\n`);
  }
  const wrong = all.filter((one) => !one.free);
  for (const { name, version, licence } of wrong) {
    process.stderr.write(`${name} ${version}: '${licence}' is not among the free licences; see local/licences.ts\n`);
  }
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
