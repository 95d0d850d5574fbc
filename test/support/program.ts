import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The one that was named, else the first of that name in the PATH, else the one that was got for the tests. */
export function program(name: string, named: string | undefined, got: string): string | undefined {
  const inPath = (process.env.PATH ?? "").split(delimiter).map((directory) => join(directory, name));
  return [...(named ? [named] : inPath), got].find(isProgram);
}
