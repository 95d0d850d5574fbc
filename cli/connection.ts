/** What a command talks to: what runs on this machine, or the deployment that environment variables name. */
import { z } from "zod";
import { LocalError } from "../local/errors.ts";
import { isRunning } from "../local/process-identity.ts";
import { readRun } from "../local/run-record.ts";
import { readToken } from "../local/token.ts";
import { type AwsEnvironment, createDocument } from "../platform/aws.ts";
import { systemClock } from "../platform/clock.ts";
import { parseEnvironment, token } from "../platform/config.ts";
import { type WorkloadEnvironment, workloadEnvironment } from "../platform/environment.ts";
import { defaultReach, type Reach, reachOf, reachVariables } from "../platform/server-address.ts";
import { createServerClient, type ServerClient } from "../platform/server-client.ts";

export interface Connection {
  readonly serverUrl: string;
  readonly schedulerUrl: string | undefined;
  /** What the server and the scheduler ask for. */
  readonly token: string | undefined;
  /** What the server's address may lead to. */
  readonly reach: Reach;
  readonly aws: AwsEnvironment;
  readonly names: WorkloadEnvironment;
}

const remote = workloadEnvironment.extend({
  EVENKEEL_SERVER_URL: z.string(),
  ...reachVariables,
  EVENKEEL_SCHEDULER_URL: z.url().optional(),
  EVENKEEL_TOKEN: token,
});

/**
 * @throws LocalError when nothing runs from `directory`
 * @throws ConfigError when the environment names a deployment in part
 */
export function connect(directory: string): Connection {
  if (process.env.EVENKEEL_SERVER_URL) {
    const settings = parseEnvironment(remote, process.env);
    return {
      serverUrl: settings.EVENKEEL_SERVER_URL,
      schedulerUrl: settings.EVENKEEL_SCHEDULER_URL,
      token: settings.EVENKEEL_TOKEN,
      reach: reachOf(settings),
      aws: process.env,
      names: workloadEnvironment.parse(settings),
    };
  }
  const run = readRun(directory);
  if (!run || !isRunning(run.supervisor)) throw new LocalError("nothing runs here: start it with 'make local'");
  const names = workloadEnvironment.safeParse(run.environment);
  if (!names.success) throw new LocalError("it is still starting: try again in a few seconds");
  return {
    serverUrl: run.serverUrl,
    schedulerUrl: run.schedulerUrl,
    token: readToken(directory),
    reach: defaultReach,
    aws: run.environment,
    names: names.data,
  };
}

export function serverClient({ serverUrl, token, reach }: Connection): ServerClient {
  return createServerClient({
    url: serverUrl,
    token,
    reach,
    clock: systemClock,
    random: Math.random,
    requestTimeoutMs: 3_000,
  });
}

/** Runs `use` with a DynamoDB client that is closed afterwards. */
export async function withDocument<T>(
  { aws }: Connection,
  use: (document: ReturnType<typeof createDocument>) => Promise<T>,
): Promise<T> {
  const document = createDocument(aws);
  try {
    return await use(document);
  } finally {
    document.destroy();
  }
}
