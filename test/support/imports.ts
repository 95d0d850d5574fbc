import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface Imports {
  /** From the checkout's root. */
  readonly files: ReadonlySet<string>;
  /** Names of npm packages. */
  readonly packages: ReadonlySet<string>;
}

const specifiers = /^(?:import|export)[^"';]*?from\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gms;

/** All that a module loads at run time, itself included, types left out. Throws on a file that is not there. */
export function importsOf(entry: string): Imports {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    if (!existsSync(file)) throw new Error(`${file} does not exist`);
    files.add(file);
    const source = readFileSync(file, "utf8").replaceAll(/^(?:import|export) type [^;]*;/gm, "");
    for (const [, ...found] of source.matchAll(specifiers)) {
      const specifier = found.find((name) => name !== undefined) ?? "";
      if (specifier.startsWith(".")) visit(normalize(join(dirname(file), specifier)));
      else if (!specifier.startsWith("node:")) {
        packages.add(
          specifier
            .split("/")
            .slice(0, specifier.startsWith("@") ? 2 : 1)
            .join("/"),
        );
      }
    }
  };
  visit(entry);
  return { files, packages };
}
