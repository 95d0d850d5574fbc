import { ConfigError } from "./config.ts";
import { describeError, type Log } from "./log.ts";

/**
 * Runs a service's `main` until it ends; SIGTERM and SIGINT abort `stop`. Then the process ends: with status 0, or with a line in
 * the log and 2 for a wrong setting, 1 for anything else.
 */
export async function runService(log: Log, main: (stop: AbortController) => Promise<void>): Promise<never> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  try {
    await main(stop);
    // Requests that nobody waits for any more must not hold up the end.
    process.exit(0);
  } catch (error) {
    log.error(describeError(error));
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
}
