import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const tools = ["sh", "cat", "cksum", "dirname", "mkdir", "mv", "rm"];

function whereIs(tool: string): string {
  return spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
}

/** Runs a script of `local/` in a checkout of its own, on a machine that has only the given programs. */
function runOnMachine(script: string, programs: Readonly<Record<string, string>>, ...args: string[]) {
  using place = temporaryDirectory();
  const bin = join(place.path, "bin");
  mkdirSync(bin);
  cpSync("local", join(place.path, "local"), { recursive: true });
  for (const tool of tools) symlinkSync(whereIs(tool), join(bin, tool));
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const { status, stderr } = spawnSync(join(bin, "sh"), [join(place.path, "local", script), ...args], {
    encoding: "utf8",
    env: { PATH: [bin].join(delimiter) },
  });
  return { status, lines: stderr.trimEnd().split("\n") };
}

describe("the emulator's installation tells in one line that", () => {
  it("there is no Python", () => {
    const { status, lines } = runOnMachine("python.sh", {});
    expect(lines).toEqual([expect.stringMatching(/there is no python3: .*apt-get install python3 python3-venv/)]);
    expect(status).toBe(3);
  });

  it("Python is too old", () => {
    const { status, lines } = runOnMachine("python.sh", { python3: 'case "$2" in *version_info*) exit 1;; esac' });
    expect(lines).toEqual([expect.stringMatching(/python3 is too old: install Python 3.10/)]);
    expect(status).toBe(3);
  });

  it("Python lacks its venv module", () => {
    const { status, lines } = runOnMachine("python.sh", { python3: 'case "$2" in *ensurepip*) exit 1;; esac' });
    expect(lines).toEqual([expect.stringMatching(/lacks its venv module: .*apt-get install python3-venv/)]);
    expect(status).toBe(3);
  });

  it("the environment cannot be made", () => {
    const { status, lines } = runOnMachine("python.sh", { python3: '[ "$1" != -m ]' });
    expect(lines).toEqual([expect.stringMatching(/cannot make a Python environment .*is the disk full/)]);
    expect(status).toBe(3);
  });

  it.each([
    [[], "local/requirements.txt"],
    [["tpch"], "local/requirements-tpch.txt"],
  ])("the packages of a list cannot be had (%s)", (args, list) => {
    const venv = `for draft; do :; done; mkdir -p "$draft/bin"; printf '#!/bin/sh\nexit 1\n' >"$draft/bin/python"; chmod +x "$draft/bin/python"`;
    const python3 = `case "$2" in venv) ${venv};; esac`;
    const chmod = 'exec /bin/chmod "$@"';
    const { status, lines } = runOnMachine("python.sh", { python3, chmod }, ...args);
    expect(lines.at(-1)).toMatch(new RegExp(`cannot install the packages of ${list},`));
    expect(status).toBe(3);
  });
});

describe("the installation of packages tells in one line that", () => {
  it.each([
    ["there is no node", {}, /there is no node: install Node.js 20/],
    ["node is too old", { node: "echo 18" }, /node is version 18: install Node.js 20/],
    ["there is no npm", { node: "echo 20" }, /there is no npm: install it/],
  ])("%s", (_, programs, message) => {
    const { status, lines } = runOnMachine("install.sh", programs);
    expect(lines).toEqual([expect.stringMatching(message)]);
    expect(status).toBe(3);
  });
});
