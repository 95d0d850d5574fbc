/** The Dockerfile as data, and an image's files made from it without a Docker engine. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, linkSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Stage {
  readonly parent: string;
  /** Those of the stages before it first. */
  readonly instructions: readonly Instruction[];
  readonly lines: readonly string[];
  /** From the checkout's root. */
  readonly copied: readonly string[];
}

/** Stages of a Dockerfile by name, each with what it and those before it do. */
export function readStages(text: string): Map<string, Stage> {
  const stages = new Map<string, Stage>();
  for (const part of text.split(/^FROM /m).slice(1)) {
    const [head = "", ...body] = part.split("\n");
    const [parent = "", , name = ""] = head.split(" ");
    const before = stages.get(parent);
    const lines = [...(before?.lines ?? []), ...body.filter((line) => line !== "" && !line.startsWith("#"))];
    const instructions = lines.map((line) => {
      const [, instruction = "", rest = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
      return { name: instruction, text: rest };
    });
    const copied = instructions.filter((one) => one.name === "COPY").flatMap((one) => one.text.split(" ").slice(0, -1));
    stages.set(name, { parent, instructions, lines, copied });
  }
  return stages;
}

export interface ImageFiles {
  /** The image's root directory. */
  readonly root: string;
  readonly workingDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly command: readonly string[];
}

/**
 * Does what the stage's instructions say below `root`, which must not exist: copies, runs npm, makes directories.
 * @param allowed whether the .dockerignore lets a path of the checkout through
 * @param packages where `npm ci` has run before for the same instructions; it is linked instead of run again
 * @throws Error on an instruction that it does not know
 */
export function buildFiles(
  stage: Stage,
  root: string,
  allowed: (path: string) => boolean,
  packages?: string,
): ImageFiles {
  let [workingDirectory, user, command] = [root, "root", [] as string[]];
  const environment: Record<string, string> = {};
  mkdirSync(join(root, "bin"), { recursive: true });
  chmodSync(dirname(root), 0o755);
  linkOrCopy(process.execPath, join(root, "bin", "node"));
  for (const { name, text } of stage.instructions) {
    const words = text.split(" ");
    if (name === "WORKDIR") {
      workingDirectory = join(root, text);
      mkdirSync(workingDirectory, { recursive: true });
    } else if (name === "ENV") {
      for (const [, key = "", value = ""] of text.matchAll(/(\w+)=(\S+)/g)) environment[key] = value;
    } else if (name === "COPY") {
      const target = words.at(-1) ?? "";
      for (const path of words.slice(0, -1)) {
        if (!allowed(path)) throw new Error(`.dockerignore keeps ${path} out`);
        cpSync(path, join(workingDirectory, target === "./" ? path : target), { recursive: true });
      }
    } else if (name === "RUN" && words[0] === "npm") {
      if (packages) symlinkSync(join(packages, "node_modules"), join(workingDirectory, "node_modules"));
      else runNpm(words.slice(1), workingDirectory, environment);
    } else if (name === "RUN" && words[0] === "install") mkdirSync(join(root, words.at(-1) ?? ""), { recursive: true });
    else if (name === "USER") user = text;
    else if (name === "CMD") command = [...text.matchAll(/"([^"]*)"/g)].map(([, word = ""]) => word);
    else if (name !== "VOLUME" && name !== "EXPOSE")
      throw new Error(`the Dockerfile's ${name} ${text} is not understood`);
  }
  return { root, workingDirectory, environment, user, command };
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to);
  }
}

function runNpm(args: readonly string[], directory: string, environment: Readonly<Record<string, string>>): void {
  const quick = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", [...args, ...quick], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...proxies(), ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
}

/** How npm reaches its registry here. */
function proxies(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^(npm_config_|https?_proxy|no_proxy|NODE_EXTRA_CA)/i.test(name)),
  );
}
