/** LocalStack: in Docker by `docker-compose.yml`, by a script that starts it otherwise, or one that runs already. */
import { dirname, join } from "node:path";
import type { Cloud, CloudOptions } from "./cloud.ts";
import { LocalError } from "./errors.ts";
import { nodeBinary, root } from "./paths.ts";
import { assertPortFree } from "./ports.ts";
import { answers, childEnvironment, run, waitUntil } from "./process.ts";

/** A script `up PORT` that starts LocalStack without Docker; `down PORT` beside it stops it. */
const scriptVariable = "EVENKEEL_LOCALSTACK_UP";
/** The address of a LocalStack that runs already. */
export const endpointVariable = "EVENKEEL_LOCALSTACK_ENDPOINT";

/** Whether a Docker engine answers on this machine. */
export async function dockerAnswers(): Promise<boolean> {
  const environment = childEnvironment();
  const signal = AbortSignal.timeout(5_000);
  try {
    const version = ["version", "--format", "{{.Server.Version}}"];
    return (await run("docker", version, { environment, directory: root, signal })).exit.code === 0;
  } catch {
    return false;
  }
}

async function command(program: string, args: readonly string[], port: number, signal?: AbortSignal): Promise<void> {
  const done = await run(program, args, {
    directory: root,
    environment: childEnvironment({ LOCALSTACK_PORT: String(port), LAMBDA_PROCESS_NODE: nodeBinary }),
    signal,
  });
  if (done.exit.code === 0) return;
  const last = done.output.trimEnd().split("\n").slice(-2).join(" | ");
  throw new LocalError(`LocalStack: ${program} ${args.join(" ")} failed: ${last}`);
}

/** Stops the LocalStack that `startLocalstack` started on this port; one that ran already goes on. */
export async function stopLocalstack(port: number): Promise<void> {
  const script = process.env[scriptVariable];
  if (process.env[endpointVariable]) return;
  if (script) await command(join(dirname(script), "down"), [String(port)], port);
  else await command("docker", ["compose", "rm", "--stop", "--force", "localstack"], port);
}

export async function startLocalstack(options: CloudOptions): Promise<Omit<Cloud, "environment">> {
  const { port, signal } = options;
  const running = process.env[endpointVariable];
  if (running) {
    if (!(await answers(`${running}/_localstack/health`))) {
      throw new LocalError(
        `no LocalStack answers at ${running} (${endpointVariable}): start it, or unset the variable`,
      );
    }
    return { kind: "localstack", endpoint: running, child: undefined, stop: async () => {} };
  }
  await assertPortFree(port, "the cloud", "--cloud-port");
  const endpoint = `http://localhost:${port}`;
  const script = process.env[scriptVariable];
  if (!script && !(await dockerAnswers())) {
    throw new LocalError("LocalStack needs a Docker engine, and none answers: start Docker, or use CLOUD=embedded");
  }
  try {
    if (script) await command(script, [String(port)], port, signal);
    else await command("docker", ["compose", "up", "--detach", "--wait", "localstack"], port, signal);
    await waitUntil(() => answers(`${endpoint}/_localstack/health`), {
      what: "LocalStack",
      deadlineMs: 120_000,
      signal,
    });
  } catch (cause) {
    await stopLocalstack(port);
    throw cause;
  }
  return { kind: "localstack", endpoint, child: undefined, stop: () => stopLocalstack(port) };
}
