import { join } from "node:path";
import { LocalError } from "./errors.ts";
import { defaultDirectory, root } from "./paths.ts";
import { childEnvironment, run } from "./process.ts";

/**
 * The Python of the embedded emulator, or of what has a list of packages of its own; its environment is made first where
 * it is missing or out of date.
 * @throws LocalError when Python or its venv module is missing, or the packages cannot be had
 */
export async function ensurePython(signal?: AbortSignal, list?: "tpch"): Promise<string> {
  const script = join(root, "local", "python.sh");
  const made = await run("sh", list ? [script, list] : [script], {
    environment: childEnvironment(),
    directory: root,
    signal,
  });
  if (made.exit.code !== 0) {
    const last = made.output.trimEnd().split("\n").at(-1) ?? "";
    throw new LocalError(last.replace(/^evenkeel: /, "") || `${script} was ended (${made.exit.signal})`);
  }
  return join(defaultDirectory, list ? `venv-${list}` : "venv", "bin", "python");
}
