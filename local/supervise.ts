import { LocalError } from "./errors.ts";
import { answers, type Child, type Environment, lastLines, startProcess, waitUntil } from "./process.ts";
import { identify, type ProcessIdentity } from "./process-identity.ts";

export interface ServiceOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly directory: string;
  readonly log: string;
  /** Answers with success when the service is ready. */
  readonly ready: string;
  /** Told, in one line, when the service ended by itself and starts again. */
  readonly onTrouble: (line: string) => void;
  /** Told of each new process. */
  readonly onStart: (identity: ProcessIdentity) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Service {
  stop(): Promise<void>;
}

const readyMs = 20_000;
const stopMs = 5_000;
const firstBackoffMs = 100;
const longestBackoffMs = 30_000;
/** After a kill: that it cannot start is not the reason why it ended. */
const longestAfterKillMs = 500;
/** A service that ran for so long starts again at once when it ends; one that cannot even start ends sooner. */
const steadyMs = 2_000;

/**
 * Starts a process, waits until it is ready, and from then on starts it again whenever it ends, with growing pauses.
 * @throws LocalError when it does not become ready the first time
 */
export async function supervise(options: ServiceOptions): Promise<Service> {
  let stopping = false;
  let backoffMs = firstBackoffMs;
  let pause: NodeJS.Timeout | undefined;
  const start = async (): Promise<Child> => {
    const child = await startProcess(options.command, options.args, options);
    const identity = identify(child.pid);
    if (identity) options.onStart(identity);
    return child;
  };
  let child = await start();
  try {
    await waitUntil(() => answers(options.ready), {
      what: `the ${options.name}`,
      deadlineMs: readyMs,
      gaveUp: () => (child.running() ? undefined : `it ended at once: ${lastWords(options.log)}`),
      signal: options.signal,
    });
  } catch (cause) {
    await child.stop(stopMs);
    throw cause instanceof LocalError ? new LocalError(`${cause.message} (its log: ${options.log})`, { cause }) : cause;
  }

  const watch = (startedAt: number): void => {
    void child.exited.then(({ code, signal }) => {
      if (stopping) return;
      const longest = signal === "SIGKILL" ? longestAfterKillMs : longestBackoffMs;
      backoffMs = performance.now() - startedAt > steadyMs ? firstBackoffMs : Math.min(backoffMs * 2, longest);
      const how = signal ?? `exit status ${code}: ${lastWords(options.log)}`;
      options.onTrouble(`the ${options.name} ended (${how}) and starts again in ${(backoffMs / 1000).toFixed(1)} s`);
      pause = setTimeout(() => void restart(), backoffMs);
    });
  };
  const restart = async (): Promise<void> => {
    try {
      child = await start();
      if (stopping) await child.stop(stopMs);
      else watch(performance.now());
    } catch (error) {
      options.onTrouble(`the ${options.name} cannot start: ${error instanceof Error ? error.message : error}`);
      if (!stopping) pause = setTimeout(() => void restart(), longestBackoffMs);
    }
  };
  watch(performance.now());
  return {
    async stop() {
      stopping = true;
      clearTimeout(pause);
      await child.stop(stopMs);
    },
  };
}

/** The message of a log's last line, which our services write as JSON. */
function lastWords(log: string): string {
  const line = lastLines(log, 1);
  return /"message":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? (line || "it said nothing");
}
