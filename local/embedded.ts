/** MiniStack, the embedded emulator: one Python process, no Docker. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Cloud, CloudOptions } from "./cloud.ts";
import { LocalError } from "./errors.ts";
import { nodeBinary } from "./paths.ts";
import { assertPortFree } from "./ports.ts";
import { answers, childEnvironment, lastLines, startProcess, waitUntil } from "./process.ts";
import { ensurePython } from "./python.ts";

/** Saving a large table takes seconds, and state is saved on a clean stop only. */
const saveMs = 60_000;

export async function startEmbedded(options: CloudOptions): Promise<Omit<Cloud, "environment">> {
  const python = await ensurePython(options.signal);
  await assertPortFree(options.port, "the cloud", "--cloud-port");
  const temporary = join(options.directory, "tmp");
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  // The emulator's function workers are CommonJS files put there: they must not fall under this project's "type".
  writeFileSync(join(temporary, "package.json"), "{}\n");
  const log = join(options.directory, "cloud.log");
  const child = await startProcess(python, ["-m", "ministack"], {
    directory: options.directory,
    log,
    environment: childEnvironment({
      BIND_HOST: "127.0.0.1",
      MINISTACK_HOST: "localhost",
      GATEWAY_PORT: String(options.port),
      PATH: `${dirname(nodeBinary)}:${process.env.PATH}`,
      TMPDIR: temporary,
      LOG_LEVEL: "WARNING",
      ...(options.functionsEndpoint && { AWS_ENDPOINT_URL: options.functionsEndpoint }),
      ...(options.persist && { PERSIST_STATE: "1", STATE_DIR: join(options.directory, "state") }),
    }),
  });
  const endpoint = `http://localhost:${options.port}`;
  try {
    await waitUntil(() => answers(`${endpoint}/_ministack/health`), {
      what: "the embedded cloud",
      deadlineMs: 30_000,
      gaveUp: () => (child.running() ? undefined : `it ended at once: ${lastLines(log)}`),
      signal: options.signal,
    });
  } catch (cause) {
    await child.stop();
    throw cause instanceof LocalError ? new LocalError(`${cause.message} (its log: ${log})`, { cause }) : cause;
  }
  return { kind: "embedded", endpoint, child, stop: () => child.stop(options.persist ? saveMs : 2_000) };
}
