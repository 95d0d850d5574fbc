/** The Python environment of the embedded emulator: `.local/venv`, made from the locked list in `requirements.txt`. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LocalError } from "./errors.ts";
import { defaultDirectory, root } from "./paths.ts";
import { childEnvironment, run } from "./process.ts";

const lock = join(root, "local", "requirements.txt");
const missingModule = "this Python lacks its venv module: install it (Debian, Ubuntu: apt-get install python3-venv)";

const check = `
import sys
if sys.version_info < (3, 10): sys.exit(10)
try:
    import venv, ensurepip
except ImportError:
    sys.exit(11)
`;

async function assertPython(python: string): Promise<void> {
  const checked = await run(python, ["-c", check], { environment: childEnvironment(), directory: root }).catch(
    (cause: unknown) => {
      throw new LocalError(
        `there is no ${python}: install Python 3.10 or newer with its venv module (Debian, Ubuntu: apt-get install python3 python3-venv)`,
        { cause },
      );
    },
  );
  switch (checked.exit.code) {
    case 0:
      return;
    case 11:
      throw new LocalError(missingModule);
    default:
      throw new LocalError(
        `${python} is too old: install Python 3.10 or newer, or name one with PYTHON=/path/to/python3`,
      );
  }
}

/**
 * Makes the environment unless it is there and up to date, and returns its Python.
 * @throws LocalError when Python or its venv module is missing, or the packages cannot be had
 */
export async function ensurePython(signal?: AbortSignal): Promise<string> {
  const home = join(defaultDirectory, "venv");
  const python = join(home, "bin", "python");
  const mark = join(home, "requirements.sha256");
  const wanted = createHash("sha256").update(readFileSync(lock)).digest("hex");
  if (existsSync(python) && existsSync(mark) && readFileSync(mark, "utf8") === wanted) return python;

  const system = process.env.PYTHON ?? "python3";
  await assertPython(system);
  // Made beside its place and moved there whole: a run that was cut off, or another one at the same time, does no harm.
  const draft = `${home}-${process.pid}`;
  mkdirSync(defaultDirectory, { recursive: true });
  const step = async (command: string, args: readonly string[], failed: string) => {
    const done = await run(command, args, { environment: childEnvironment(), directory: root, signal });
    if (done.exit.code === 0) return;
    const last = done.output.trimEnd().split("\n").at(-1) ?? "";
    throw new LocalError(/ensurepip|python3-venv/.test(done.output) ? missingModule : `${failed}: ${last}`);
  };
  try {
    await step(system, ["-m", "venv", draft], "cannot make a Python environment");
    await step(
      join(draft, "bin", "python"),
      [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
        lock,
      ],
      "cannot install the embedded emulator (is the Python package index reachable?)",
    );
    writeFileSync(join(draft, "requirements.sha256"), wanted);
    rmSync(home, { recursive: true, force: true });
    renameSync(draft, home);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return python;
}
